"""``make bench``: run the benchmarks named as arguments, or all, and report."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from dataclasses import dataclass
from types import FrameType

from bench import report
from bench.failure import NotRun
from bench.kitchen import BENCHMARKS, PEER_NAMES, Benchmark, Kitchen
from bench.progress import Progress
from bench.timing import Timing


@dataclass(frozen=True)
class Chosen:
    """What the command line asks for."""

    names: tuple[str, ...]
    peers: tuple[str, ...]
    rounds: int
    publish: bool


def main(arguments: list[str]) -> int:
    """The exit status: 0 if anything was measured, 1 if not, 2 for a wrong command line, 130 after Ctrl-C."""
    chosen = _parse(arguments)
    if os.geteuid():
        print("bench: run it as root: engines and machines need it", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    progress, timings = Progress(report.known_durations()), list[Timing]()
    status = 0
    try:
        with Kitchen.opened(chosen.peers) as kitchen:
            _measure(_benchmarks(kitchen, chosen, timings), progress, timings)
        status = 0 if any(one.rounds for one in timings) else 1
    except KeyboardInterrupt:
        print("bench: interrupted; what it made is removed", flush=True)
        status = 130
    except NotRun as error:
        print(f"bench: {error}", file=sys.stderr)
        status = 1
    if timings:
        report.report(tuple(timings), progress.known, publish=chosen.publish and status != 130)
    return status


def _benchmarks(kitchen: Kitchen, chosen: Chosen, timings: list[Timing]) -> list[tuple[str, Benchmark]]:
    """Those that can run; of the others the reason is among the timings."""
    found = []
    for name in chosen.names:
        try:
            found.append((name, kitchen.benchmark(name, chosen.rounds)))
        except NotRun as error:
            timings.append(_not_run(name, error))
    return found


def _measure(benchmarks: list[tuple[str, Benchmark]], progress: Progress, timings: list[Timing]) -> None:
    """Append to ``timings``, one benchmark after the other: an interrupted run has something to show."""
    for _, benchmark in benchmarks:
        progress.expect(*benchmark.steps())
    for name, benchmark in benchmarks:
        try:
            timings += benchmark.run(progress)
        except NotRun as error:
            timings.append(_not_run(name, error))


def _not_run(name: str, error: NotRun) -> Timing:
    print(f"bench: {name} is not run: {error}", flush=True)
    return Timing(name, "", failure=f"not run: {error}")


def _parse(arguments: list[str]) -> Chosen:
    parser = argparse.ArgumentParser(prog="bench.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="BENCHMARK", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each competitor's turn comes")
    parser.add_argument("--peers", default=",".join(PEER_NAMES), help="who competes, separated by commas")
    parser.add_argument("--publish", action="store_true", help="make them the results that the README shows")
    options = parser.parse_args(arguments)
    peers = tuple(options.peers.split(","))
    for kind, given, known in (("benchmark", options.names, BENCHMARKS), ("peer", peers, PEER_NAMES)):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"no such {kind}: {', '.join(unknown)}; there are {', '.join(known)}")
    if options.publish and set(peers) != set(PEER_NAMES):
        parser.error("only results with every peer are published")
    return Chosen(tuple(options.names) or BENCHMARKS, peers, max(1, options.rounds), options.publish)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
