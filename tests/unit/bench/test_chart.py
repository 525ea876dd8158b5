"""The picture of the timings."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from bench.chart import Scale, draw
from bench.timing import Timing

SVG = "{http://www.w3.org/2000/svg}"
TIMINGS = (
    Timing("50 × command", "bakery", (2.0,)),
    Timing("50 × command", "other", (20.0,)),
    Timing("50 × command", "broken", failure="failed: <no engine>"),
)


def _texts(document: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(document).iter(f"{SVG}text")]


def test_chart_is_well_formed_and_names_everybody() -> None:
    texts = _texts(draw(TIMINGS, title="A & B", caption="2026, 2 processors"))
    assert {"A & B", "2026, 2 processors", "50 × command", "bakery", "other", "broken"} <= set(texts)


def test_bars_are_labelled_with_their_time() -> None:
    texts = _texts(draw(TIMINGS, title="t", caption="c"))
    assert {"2.0 s", "20.0 s"} <= set(texts)


def test_who_failed_has_the_reason_and_no_bar() -> None:
    document = draw(TIMINGS, title="t", caption="c")
    assert "failed: <no engine>" in _texts(document)
    # The ground and two bars.
    assert document.count("<rect") == 3


def test_a_power_of_ten_is_the_same_length_everywhere() -> None:
    scale = Scale(0.1, 100.0)
    assert round(scale.x(10.0) - scale.x(1.0), 6) == round(scale.x(1.0) - scale.x(0.1), 6)


def test_scale_holds_the_shortest_and_the_longest() -> None:
    scale = Scale.fitting((*TIMINGS, Timing("t", "w", (0.003,))))
    assert scale.x(0.003) < scale.x(2.0) < scale.x(20.0)
    assert scale.x(0.0) == scale.x(0.001)


def test_nothing_measured_makes_a_chart_all_the_same() -> None:
    assert _texts(draw((Timing("t", "w", failure="failed: no engine"),), title="t", caption="c"))
