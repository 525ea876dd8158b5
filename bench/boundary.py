"""What lies between two roles of a bake: from the last word of one to the first of the next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.bakery.images.plugins.module_utils.checkpoint import Checkpoint, checkpoint
from ansible_collections.bakery.images.plugins.module_utils.throwaway import Throwaways, Wanted

from bench.layers import find_base
from bench.progress import Progress
from bench.timing import Timing, compete

TASK = "A layer boundary"
_MACHINE = "bench-boundary"


@dataclass(frozen=True)
class Boundary:
    """Stop, seal, freeze, pack; mount, run, boot."""

    home: Path
    rounds: int

    def steps(self) -> list[str]:
        return [TASK]

    def run(self, progress: Progress) -> tuple[Timing, ...]:
        throwaways, base = Throwaways(str(self.home / "container")), find_base(self.home)
        layers = [layer["id"] for layer in base["layers"]]

        def launch() -> None:
            throwaways.launch(Wanted(_MACHINE, tuple(layers), base["epoch"], apt_scope=base["digest"]))

        def cross() -> None:
            journal = throwaways.machines.get(_MACHINE)
            about = {"role": "bench", "version": "", "created_by": "bench"}
            frozen = checkpoint(throwaways, journal, Checkpoint(base["epoch"], about, "gzip"))
            layers.append(frozen.layer["id"])
            launch()

        try:
            with progress.step(TASK):
                launch()
                return compete(TASK, {"bakery": cross}, rounds=max(self.rounds, 5))
        finally:
            throwaways.discard(_MACHINE)
