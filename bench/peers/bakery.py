"""bakery, by its command line; and its connection plugin alone, to tell what applying the tasks takes."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import children
from bench.failure import NotRun
from bench.layers import copy_files, find_base, newest_trees
from bench.peers.names import BAKERY, WITHOUT_EXECUTOR
from bench.peers.peer import Baked, Place
from bench.places import BENCH, COLLECTIONS, COMMANDS
from bench.work import EXECUTOR_OFF, Project

_MACHINE = "bench-applying"


@dataclass(frozen=True)
class Bakery:
    """``executor`` says whether the warm executor may be used, where the connection plugin has one."""

    place: Place
    executor: bool = True

    @property
    def name(self) -> str:
        return BAKERY if self.executor else WITHOUT_EXECUTOR

    @property
    def home(self) -> Path:
        return self.place.directory / "home"

    def install(self) -> None:
        """It is installed, or nobody would read this."""

    def bake(self, project: Project, mark: str) -> Baked:
        project.set_tasks(mark=mark, changed=False)
        result, seconds = self._bake(project)
        if result["status"] != "baked":
            raise NotRun(f"bakery says {result['status']} though every role changed")
        self._hand_over_files(project)
        applying = self._apply(project) if project.work.net else None
        return Baked(seconds, applying, sum(layer["seconds"] for layer in result["layers"]))

    def bake_again(self, project: Project) -> Baked:
        result, seconds = self._bake(project)
        self._hand_over_files(project)
        return Baked(seconds, provisioning=sum(layer["seconds"] for layer in result["layers"]))

    def _bake(self, project: Project) -> tuple[dict[str, Any], float]:
        role_set = project.work.name if self.executor else f"{project.work.name}-without-executor"
        done = children.run(
            [COMMANDS / "bakery", "bake", role_set, "--json", "--quiet", "--on-error=discard"],
            cwd=project.directory,
            env=self._environment(),
            log=self.place.log(f"{project.work.name}-bakery"),
        )
        (result,) = json.loads(done.output[done.output.index("{") :])["results"]
        answer: dict[str, Any] = result
        return answer, done.seconds

    def _apply(self, project: Project) -> float:
        """How long ansible-playbook takes on a machine that runs, with the connection plugin of bakery."""
        base = find_base(self.home)
        inventory = project.directory / "bakery.inventory.yml"
        wanted = {
            "bench_inventory": str(inventory),
            "bakery_home": str(self.home),
            "bakery_machine_id": _MACHINE,
            "bakery_parents": [layer["id"] for layer in base["layers"]],
            "bakery_epoch": base["epoch"],
            "bakery_apt_scope": base["digest"],
        }
        try:
            self.playbook(project, BENCH / "peers" / "launched.yml", "--extra-vars", json.dumps(wanted))
            options = [] if self.executor else ["--extra-vars", json.dumps(EXECUTOR_OFF)]
            return self.playbook(project, project.playbook, "--inventory", str(inventory), *options)
        finally:
            self.discard()

    def discard(self) -> None:
        wanted = {"bakery_home": str(self.home), "bakery_machine_id": _MACHINE}
        words: list[str | Path] = [
            COMMANDS / "ansible-playbook",
            "bakery.images.discard",
            "--extra-vars",
            json.dumps(wanted),
        ]
        children.attempt(words, env=self._ansible_environment())

    def playbook(self, project: Project, playbook: Path, *options: str) -> float:
        """Seconds of one ansible-playbook with the collection."""
        return children.run(
            [COMMANDS / "ansible-playbook", *options, playbook],
            cwd=project.directory,
            env=self._ansible_environment(),
            log=self.place.log(f"{project.work.name}-bakery-applying"),
        ).seconds

    def _environment(self) -> dict[str, str]:
        return os.environ | {"BAKERY_HOME": str(self.home)}

    def _ansible_environment(self) -> dict[str, str]:
        return self._environment() | {
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_NOCOLOR": "True",
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        }

    def _hand_over_files(self, project: Project) -> None:
        """Put the files that the Containerfile copies where it finds them."""
        trees = newest_trees(self.home)
        for block in project.work.blocks:
            if block.files and not (project.shell / block.role).exists():
                copy_files(block, trees[block.role], project.shell / block.role)

    def sweep(self) -> None:
        """Remove the machine and the home."""
        if self.home.exists():
            self.discard()
            children.attempt([COMMANDS / "bakery", "sweep"], env=self._environment())
            shutil.rmtree(self.home, ignore_errors=True)
