"""ansible-playbook against a container of podman, then podman commit; with and without Mitogen."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bench import children
from bench.engine import BASE, PREFIX
from bench.failure import NotRun
from bench.install import ensure_venv, site_packages
from bench.peers.names import MITOGEN, PODMAN
from bench.peers.peer import Baked, Place
from bench.places import PEERS
from bench.work import Project

_BOOT_S = 60


@dataclass(frozen=True)
class Playbook:
    """Pipelining is on. Only the short connection name is one that Mitogen accelerates."""

    place: Place
    mitogen: bool = False

    @property
    def name(self) -> str:
        return MITOGEN if self.mitogen else PODMAN

    @property
    def slug(self) -> str:
        return "mitogen" if self.mitogen else "podman"

    def install(self) -> None:
        ensure_venv("ansible")
        if self.mitogen:
            ensure_venv("mitogen")

    def bake(self, project: Project, mark: str) -> Baked:
        engine, image = self.place.engine, self.place.image(self.slug)
        container = f"{PREFIX}-{self.slug}"
        engine.forget(image)
        project.set_tasks(mark=mark, changed=False)
        inventory = self._inventory(project, container)
        try:
            started = time.perf_counter()
            self._start(container, booted=project.work.booted)
            applied = children.run(
                [self._venv / "bin" / "ansible-playbook", "--inventory", inventory, project.playbook],
                cwd=project.directory,
                env=engine.environment | self._settings(project),
                log=self.place.log(f"{project.work.name}-{self.slug}"),
            )
            if project.work.booted:
                engine.run("podman", "stop", container)
            engine.run("podman", "commit", "--quiet", container, image)
            return Baked(time.perf_counter() - started, applying=applied.seconds)
        finally:
            engine.tidy()

    @property
    def _venv(self) -> Path:
        return PEERS / ("mitogen" if self.mitogen else "ansible")

    def _inventory(self, project: Project, container: str) -> Path:
        connection = "podman" if self.mitogen else "containers.podman.podman"
        line = f"{container} ansible_connection={connection} ansible_python_interpreter=/usr/bin/python3\n"
        path = project.directory / f"{self.slug}.ini"
        path.write_text(line)
        return path

    def _settings(self, project: Project) -> dict[str, str]:
        settings = {
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_ROLES_PATH": str(project.directory / "roles"),
            "ANSIBLE_COLLECTIONS_PATH": str(site_packages(PEERS / "ansible")),
            "ANSIBLE_NOCOLOR": "True",
            "ANSIBLE_DEPRECATION_WARNINGS": "False",
        }
        if self.mitogen:
            strategies = site_packages(self._venv) / "ansible_mitogen" / "plugins" / "strategy"
            settings |= {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(strategies)}
        return settings

    def _start(self, container: str, *, booted: bool) -> None:
        engine = self.place.engine
        run = ("podman", "run", "--detach", f"--name={container}")
        if not booted:
            engine.run(*run, BASE, "sleep", "infinity")
            return
        engine.run(*run, "--systemd=always", BASE, "/sbin/init")
        ask = ("podman", "exec", container, "systemctl", "is-system-running")
        deadline = time.monotonic() + _BOOT_S
        # A degraded system has booted too, but then the command fails and nothing is told.
        while "running" not in children.attempt(ask, env=engine.environment):
            if time.monotonic() > deadline:
                raise NotRun("systemd did not come up in the container")
            time.sleep(0.05)
