"""The same work through every competitor, taking turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.failure import NotRun
from bench.peers.bakery import Bakery
from bench.peers.names import BAKERY
from bench.peers.peer import Baked, CachingPeer, Peer
from bench.progress import Progress
from bench.timing import Timing
from bench.work import Project

READY = "image ready"
APPLYING = "applying the tasks"
PROVISIONING = "bakery, its layers alone"


@dataclass
class Score:
    """What one competitor achieved so far; with a failure it is out."""

    baked: list[Baked] = field(default_factory=list)
    failure: str | None = None


@dataclass
class Scores:
    """Seconds by what was done and who did it, and who cannot."""

    times: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, who: str, seconds: float) -> None:
        self.times.setdefault((what, who), []).append(seconds)


@dataclass(frozen=True)
class Race:
    """One project, baked from nothing by each of ``peers``, ``rounds`` times."""

    project: Project
    peers: Sequence[Peer]
    rounds: int

    def steps(self) -> list[str]:
        return [self._step(peer) for _ in range(self.rounds) for peer in self.peers]

    def run(self, progress: Progress) -> tuple[Timing, ...]:
        scores = {peer.name: Score() for peer in self.peers}
        for turn in range(1, self.rounds + 1):
            for number, peer in enumerate(self.peers):
                about = f", round {turn} of {self.rounds}"
                with progress.step(self._step(peer), about=about):
                    self._turn(peer, scores[peer.name], mark=f"round {turn} turn {number}")
        return self._timings(scores)

    def _step(self, peer: Peer) -> str:
        return f"{self.project.work.title}: {peer.name}"

    def _turn(self, peer: Peer, score: Score, *, mark: str) -> None:
        if score.failure:
            return
        try:
            peer.install()
            baked = peer.bake(self.project, mark)
        except NotRun as error:
            score.failure = f"failed: {error}"
            print(f"bench:     failed: {error}", flush=True)
            return
        score.baked.append(baked)
        applying = f", of which applying {baked.applying:.1f} s" if baked.applying else ""
        print(f"bench:     {baked.seconds:.1f} s{applying}", flush=True)

    def _timings(self, scores: dict[str, Score]) -> tuple[Timing, ...]:
        title = self.project.work.title
        ready, applying = f"{title}: {READY}", f"{title}: {APPLYING}"
        timings = [
            Timing(ready, who, tuple(one.seconds for one in score.baked), score.failure)
            for who, score in scores.items()
        ]
        layers = [
            one.provisioning
            for peer in self.peers
            if isinstance(peer, Bakery) and peer.executor
            for one in scores[peer.name].baked
            if one.provisioning is not None
        ]
        if layers:
            # Right below the time that it is a part of.
            place = [timing.who for timing in timings].index(BAKERY) + 1
            timings.insert(place, Timing(ready, PROVISIONING, tuple(layers)))
        if self.project.work.net:
            for who, score in scores.items():
                times = tuple(one.applying for one in score.baked if one.applying is not None)
                if times or score.failure:
                    timings.append(Timing(applying, who, times, score.failure))
        return tuple(timings)


@dataclass(frozen=True)
class Rerun:
    """A second bake: nothing changed, or the last role. Only some competitors keep what they baked."""

    project: Project
    caching: Sequence[CachingPeer]
    others: Sequence[Peer]
    rounds: int

    UNCHANGED = "unchanged"
    CHANGED = "last role changed"
    REST = "bakery, everything but that role"
    _FIRST = "first bake, not timed"

    def steps(self) -> list[str]:
        return [
            *(self._step(self._FIRST, peer) for peer in self.caching),
            *(
                self._step(what, peer)
                for _ in range(self.rounds)
                for what in (self.UNCHANGED, self.CHANGED)
                for peer in self.caching
            ),
        ]

    def run(self, progress: Progress) -> tuple[Timing, ...]:
        scores = Scores()
        self.project.set_tasks(mark="first", changed=True)
        self._turns(self._FIRST, progress, scores)
        for turn in range(1, self.rounds + 1):
            self._turns(self.UNCHANGED, progress, scores)
            self.project.set_tasks(mark=f"turn{turn}", changed=True)
            self._turns(self.CHANGED, progress, scores)
        return self._timings(scores)

    def _turns(self, what: str, progress: Progress, scores: Scores) -> None:
        for peer in self.caching:
            with progress.step(self._step(what, peer)):
                self._turn(what, peer, scores)

    def _turn(self, what: str, peer: CachingPeer, scores: Scores) -> None:
        if peer.name in scores.failures:
            return
        try:
            peer.install()
            baked = peer.bake_again(self.project)
        except NotRun as error:
            scores.failures[peer.name] = f"failed: {error}"
            print(f"bench:     failed: {error}", flush=True)
            return
        print(f"bench:     {baked.seconds:.1f} s", flush=True)
        scores.add(what, peer.name, baked.seconds)
        if what == self.CHANGED and baked.provisioning is not None:
            scores.add(what, self.REST, baked.seconds - baked.provisioning)

    def _timings(self, scores: Scores) -> tuple[Timing, ...]:
        rows = []
        for what in (self.UNCHANGED, self.CHANGED):
            task = f"{self.project.work.title}: {what}"
            for who in [*(peer.name for peer in self.caching), self.REST]:
                rounds, failure = tuple(scores.times.get((what, who), ())), scores.failures.get(who)
                if rounds or failure:
                    rows.append(Timing(task, who, rounds, failure))
            why = "keeps nothing: every bake is a first one"
            rows += [Timing(task, peer.name, failure=why) for peer in self.others]
        return tuple(rows)

    def _step(self, what: str, peer: Peer) -> str:
        return f"{self.project.work.title}, {what}: {peer.name}"
