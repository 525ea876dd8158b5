"""Machines to run plays on, as the target's entry point launch gives them, without a bake around them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.base_store import BaseRequest, BaseStore
from ansible_collections.bakery.images.plugins.module_utils.debian_base import DebianSpec
from ansible_collections.bakery.images.plugins.module_utils.machine_description import describe
from ansible_collections.bakery.images.plugins.module_utils.throwaway import Launched, Throwaways, Wanted

BASE = BaseRequest("debian-12", debian=DebianSpec(suite="bookworm"))


@dataclass(frozen=True)
class Machine:
    """A running machine, and an inventory with it as the host ``machine``."""

    launched: Launched
    directory: Path
    inventory: Path
    command: Path
    collections: Path

    @property
    def hostvars(self) -> dict[str, Any]:
        inventory = json.loads(self.inventory.read_text())
        found: dict[str, Any] = inventory["all"]["hosts"]["machine"]
        return found

    def play(
        self, playbook: Path, *, environment: Mapping[str, str] = {}, variables: Mapping[str, Any] = {}
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook, with the collections, callbacks and modules beside it; it may fail."""
        own = {
            name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "BAKERY"))
        }
        beside = playbook.parent
        own |= {
            "ANSIBLE_COLLECTIONS_PATH": f"{self.collections}:{beside / 'collections'}",
            "ANSIBLE_CALLBACK_PLUGINS": str(beside / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "told",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_NO_TARGET_SYSLOG": "1",
            "ANSIBLE_HOME": str(self.inventory.parent / "ansible"),
            **environment,
        }
        words = [self.command, "-vvv", "-i", self.inventory, "-e", json.dumps(dict(variables)), playbook]
        return subprocess.run(
            words, env=own, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=beside
        )

    def changed_files(self) -> list[str]:
        """What was made or changed in the machine's file system since it started, relative to its root."""
        upper = self.directory / "upper"
        return sorted(str(path.relative_to(upper)) for path in upper.rglob("*"))

    def run(self, script: str) -> str:
        """What a shell script in the machine writes; it must succeed."""
        command = self.throwaways.command(self.launched.journal)
        done = command.run(["/bin/sh", "-ec", script], timeout_s=300)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    @property
    def throwaways(self) -> Throwaways:
        return Throwaways(str(self.directory.parent.parent))


@dataclass
class Machines:
    """Launches machines on the base that all tests share; ``discard`` ends them all."""

    home: Path
    workplace: Path
    command: Path
    collections: Path
    names: list[str] = field(default_factory=list)

    def launch(self, name: str) -> Machine:
        root = str(self.home / "container")
        throwaways = Throwaways(root)
        base = self._base(root)
        layers = tuple(layer["id"] for layer in base["layers"])
        self.names.append(name)
        wanted = Wanted(name, layers, base["epoch"], ttl_s=3600, apt_scope=base["digest"])
        launched = throwaways.launch(wanted)
        directory = Path(throwaways.machines.path(name))
        described = describe(launched.journal, str(directory), address=launched.address, failed=())
        inventory = self.workplace / f"{name}.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"machine": described["hostvars"]}}}))
        return Machine(launched, directory, inventory, self.command, self.collections)

    def discard(self) -> None:
        for name in self.names:
            Throwaways(str(self.home / "container")).discard(name)

    @staticmethod
    def _base(root: str) -> dict[str, Any]:
        bases = BaseStore(root)
        with bases.locked(BASE):
            return bases.find(BASE) or bases.make(BASE)
