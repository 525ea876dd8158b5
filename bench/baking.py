"""What a user waits for: the sample project through the real command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.checkpoint import checkpoint
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Journal
from ansible_collections.bakery.images.plugins.module_utils.throwaway import Throwaways, Wanted

from bench.timing import Timing, compete

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ("bakery.yml", "roles", "checks")


def measure() -> tuple[Timing, ...]:
    """Bakes into a home of its own, so the first bake here takes as long as a first bake does."""
    with tempfile.TemporaryDirectory(prefix="bakery-bench-", dir=os.environ.get("BAKERY_BENCH_DIR")) as name:
        home, project = Path(name) / "home", Path(name) / "project"
        project.mkdir()
        for part in PROJECT:
            source = ROOT / part
            shutil.copytree(source, project / part) if source.is_dir() else shutil.copy(
                source, project / part
            )
        first = _bake(home, project)
        unchanged = compete("bake web, nothing changed", {"bakery": lambda: _bake(home, project)}, rounds=5)
        changed = _changed_last_role(home, project)
        rows = [
            Timing("bake web, first time, base included", "bakery", (first["seconds"],)),
            Timing("bake web, last role changed", "bakery", tuple(one["seconds"] for one in changed)),
            Timing("of that, launch, role and freeze", "bakery", tuple(_last_layer(one) for one in changed)),
            Timing("of that, everything else", "bakery", tuple(_rest(one) for one in changed), bound=2.0),
            *(replace(one, bound=0.5) for one in unchanged),
        ]
        return (*rows, *_boundary(home / "container"))


def _boundary(store: Path) -> tuple[Timing, ...]:
    """From the last word of a role to the first of the next: stop, seal, freeze, pack; mount, run, boot."""
    throwaways = Throwaways(str(store))
    record = json.loads(next((store / "bases").glob("*.json")).read_text())
    layers, epoch = [layer["id"] for layer in record["layers"]], record["epoch"]

    def launch() -> Journal:
        wanted = Wanted("bench", tuple(layers), epoch, apt_scope=record["digest"])
        return throwaways.launch(wanted).journal

    def cross() -> None:
        journal = throwaways.machines.get("bench")
        about = {"role": "bench", "version": "", "created_by": "bench"}
        frozen = checkpoint(throwaways, journal, epoch=epoch, about=about, compression="gzip")
        layers.append(frozen.layer["id"])
        launch()

    try:
        launch()
        return tuple(
            replace(one, bound=1.2) for one in compete("a layer boundary", {"bakery": cross}, rounds=5)
        )
    finally:
        throwaways.discard("bench")


def _changed_last_role(home: Path, project: Path) -> list[dict[str, Any]]:
    defaults = project / "roles" / "nginx" / "defaults" / "main.yml"
    results = []
    for turn in range(3):
        defaults.write_text(f"{defaults.read_text()}\n# changed {turn}\n")
        results.append(_bake(home, project))
    return results


def _rest(result: dict[str, Any]) -> float:
    return float(result["seconds"]) - _last_layer(result)


def _last_layer(result: dict[str, Any]) -> float:
    return float(result["layers"][-1]["seconds"])


def _bake(home: Path, project: Path) -> dict[str, Any]:
    command = [str(Path(sys.executable).parent / "bakery"), "bake", "web", "--json"]
    environment = os.environ | {"BAKERY_HOME": str(home)}
    done = subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True, text=True)
    (result,) = json.loads(done.stdout)["results"]
    answer: dict[str, Any] = result
    return answer
