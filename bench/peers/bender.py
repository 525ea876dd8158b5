"""ansible-bender as it comes: a layer for each task, and tasks that did not change taken from those."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from bench import children
from bench.engine import BASE
from bench.failure import CommandFailed
from bench.install import ensure_packages, ensure_venv, site_packages
from bench.peers.names import BENDER
from bench.peers.peer import Baked, Place, without_systemd
from bench.peers.stopwatch import Stopwatch
from bench.places import PEERS
from bench.work import Project


@dataclass(frozen=True)
class Bender:
    place: Place

    @property
    def name(self) -> str:
        return BENDER

    def install(self) -> None:
        ensure_packages("buildah")
        ensure_venv("ansible")
        ensure_venv("bender")

    def bake(self, project: Project, mark: str) -> Baked:
        shutil.rmtree(self._database(project), ignore_errors=True)
        self.place.engine.forget(self._image(project))
        project.set_tasks(mark=mark, changed=False)
        return self.bake_again(project)

    def bake_again(self, project: Project) -> Baked:
        engine = self.place.engine
        database = self._database(project)
        database.mkdir(parents=True, exist_ok=True)
        watch = Stopwatch(self.place.directory / "bender" / "bin", PEERS / "bender/bin/ansible-playbook")
        environment = engine.environment
        environment |= {
            "PATH": f"{watch.directory}:{environment['PATH']}",
            "ANSIBLE_ROLES_PATH": str(project.directory / "roles"),
            "ANSIBLE_COLLECTIONS_PATH": str(site_packages(PEERS / "ansible")),
            "ANSIBLE_NOCOLOR": "True",
        }
        program = PEERS / "bender" / "bin" / "ansible-bender"
        try:
            done = children.run(
                [program, "--database-dir", database, "build", project.playbook, BASE, self._image(project)],
                cwd=project.directory,
                env=environment,
                log=self.place.log(f"{project.work.name}-bender"),
            )
            return Baked(done.seconds, applying=watch.seconds())
        except CommandFailed as error:
            raise without_systemd(error, project.work) from error
        finally:
            engine.tidy()

    def _image(self, project: Project) -> str:
        return self.place.image(f"bender-{project.work.name}")

    def _database(self, project: Project) -> Path:
        return self.place.directory / "bender" / project.work.name
