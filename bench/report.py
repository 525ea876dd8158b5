"""What a run leaves: a table on the terminal, and files in bench/results/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.aims import AIMS
from bench.bounds import Verdict, judge
from bench.chart import draw
from bench.host import Host, load
from bench.places import README, RESULTS, ROOT
from bench.readme import show
from bench.table import (
    TIMINGS_HEAD,
    VERDICTS_HEAD,
    by_task,
    markdown_table,
    text_table,
    timing_rows,
    verdict_rows,
)
from bench.timing import Timing

LATEST = "latest"
_TITLE = "The same work through bakery and others"


@dataclass(frozen=True)
class Results:
    """Timings of one machine; ``dates`` says by task when it was measured (UTC)."""

    host: Host
    timings: tuple[Timing, ...]
    dates: Mapping[str, str]
    load: float
    durations: Mapping[str, float]

    @property
    def caption(self) -> str:
        days = sorted(set(self.dates.values()))
        when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        return f"{when}, {self.host.words}"

    def merged_into(self, earlier: Results | None) -> Results:
        """These, and of ``earlier`` the tasks that were not measured again, if the machine is alike.

        What could not be run at all has no competitors, and is not kept.
        """
        if earlier is None or earlier.host != self.host:
            return self
        mine = by_task(self.timings)
        theirs = by_task([one for one in earlier.timings if one.who])
        order = [*theirs, *(task for task in mine if task not in theirs)]
        timings = tuple(one for task in order for one in (mine.get(task) or theirs[task]))
        durations = {**earlier.durations, **self.durations}
        return Results(self.host, timings, {**earlier.dates, **self.dates}, self.load, durations)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        data: dict[str, Any] = json.loads(text)
        timings = tuple(Timing(**{**one, "rounds": tuple(one["rounds"])}) for one in data["timings"])
        return cls(Host(**data["host"]), timings, data["dates"], data["load"], data["durations"])

    def _verdicts(self) -> tuple[Verdict, ...]:
        """Of the tasks that were run; a competitor that failed leaves a bound that is not measured."""
        tasks = by_task(self.timings)
        return judge(tuple(aim for aim in AIMS if aim.task in tasks), self.timings)

    def to_text(self) -> str:
        blocks = [self.caption]
        for task, group in by_task(self.timings).items():
            blocks.append(f"{task}\n{text_table(TIMINGS_HEAD, timing_rows(group))}")
        blocks.append(text_table(VERDICTS_HEAD, verdict_rows(self._verdicts())))
        return "\n\n".join(blocks)

    def to_markdown(self) -> str:
        blocks = [f"Measured {self.caption}. Medians; spread is from the quickest to the slowest round."]
        for task, group in by_task(self.timings).items():
            blocks.append(f"**{task}**\n\n{markdown_table(TIMINGS_HEAD, timing_rows(group))}")
        rows = verdict_rows(self._verdicts())
        blocks.append(f"**Bounds**\n\n{markdown_table(VERDICTS_HEAD, rows)}")
        return "\n\n".join(blocks) + "\n"

    def summary(self) -> str:
        """What the README shows: the chart, and the bounds."""
        alt = "Seconds by task and competitor, as bars on a logarithmic scale"
        chart = f"![{alt}]({RESULTS.relative_to(ROOT)}/{LATEST}.svg)"
        table = markdown_table(VERDICTS_HEAD, verdict_rows(self._verdicts()))
        numbers = f"[All numbers]({RESULTS.relative_to(ROOT)}/{LATEST}.md)"
        return f"{chart}\n\n{numbers}, {self.caption}. What bakery should reach:\n\n{table}"

    def to_svg(self) -> str:
        return draw(self.timings, title=_TITLE, caption=self.caption)


def report(timings: tuple[Timing, ...], durations: Mapping[str, float], *, publish: bool) -> None:
    """Print the table and write the files; ``publish`` also the latest ones and what the README shows."""
    now = datetime.now(UTC)
    dates = dict.fromkeys(by_task(timings), f"{now:%Y-%m-%d}")
    results = Results(Host.here(), timings, dates, load(), dict(durations))
    RESULTS.mkdir(exist_ok=True)
    _write(results, f"{now:%Y%m%dT%H%M%SZ}")
    if publish:
        latest = results.merged_into(_read(RESULTS / f"{LATEST}.json"))
        _write(latest, LATEST)
        show(README, latest.summary())
    print(f"\n{results.to_text()}")


def known_durations() -> dict[str, float]:
    """How long each step took when it was last measured, to say how long this run will take."""
    durations: dict[str, float] = {}
    for path in sorted(RESULTS.glob("*.json"), key=lambda path: path.stat().st_mtime):
        if results := _read(path):
            durations |= results.durations
    return durations


def _read(path: Path) -> Results | None:
    return Results.from_json(path.read_text()) if path.exists() else None


def _write(results: Results, stem: str) -> None:
    for suffix, text in (
        ("json", results.to_json()),
        ("md", results.to_markdown()),
        ("svg", results.to_svg()),
    ):
        Path(RESULTS / f"{stem}.{suffix}").write_text(text)
