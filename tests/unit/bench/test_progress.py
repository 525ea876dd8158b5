"""How long a run still takes."""

from __future__ import annotations

import pytest

from bench.progress import Progress, remaining, spoken


def test_a_step_takes_as_long_as_before() -> None:
    assert remaining(("a", "a", "b"), {"a": 2.0, "b": 5.0}) == 9.0


def test_an_unknown_step_takes_as_long_as_others() -> None:
    assert remaining(("new",), {"a": 2.0, "b": 4.0}) == 3.0


@pytest.mark.parametrize(("value", "text"), [(40.2, "40 s"), (420.0, "7 min"), (3900.0, "1 h 05 min")])
def test_durations_are_spoken(value: float, text: str) -> None:
    assert spoken(value) == text


def test_a_step_is_counted_among_all(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress({"a": 10.0, "b": 20.0})
    progress.expect("a", "b")
    with progress.step("a"):
        pass
    with progress.step("b", about=", round 1"):
        pass
    first, second = capsys.readouterr().out.splitlines()
    assert first == "bench: [1/2, about 30 s left] a"
    assert second == "bench: [2/2, about 20 s left] b, round 1"
