"""Run the benchmarks named as arguments, or all, print one table and keep the numbers in bench/results/."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench import baking, packing
from bench.timing import Timing

RESULTS = Path(__file__).resolve().parent / "results"
BENCHMARKS: Mapping[str, Callable[[], tuple[Timing, ...]]] = {
    "packing": packing.measure,
    "baking": baking.measure,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    timings = [timing for name in names or BENCHMARKS for timing in BENCHMARKS[name]()]
    print(f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}")
    print(f"{'TASK':34} {'WHO':37} {'MEDIAN':>9} {'BEST':>9} {'RATIO':>7} {'BOUND':>9}")
    for timing in timings:
        ratio = f"{timing.ratio:.2f}" if timing.ratio else ""
        bound = f"{timing.bound:.2f} s" if timing.bound else ""
        figures = f"{timing.median:7.2f} s {timing.best:7.2f} s {ratio:>7} {bound:>9}"
        print(f"{timing.task:34} {timing.who:37} {figures}".rstrip())
    RESULTS.mkdir(exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    host = {"processors": os.cpu_count(), "machine": platform.machine(), "load": os.getloadavg()}
    result = {"host": host, "timings": [asdict(one) for one in timings]}
    (RESULTS / f"{stamp}.json").write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
