"""The floor: the same result by shell commands in a Containerfile, one RUN for a role."""

from __future__ import annotations

from dataclasses import dataclass

from bench import children
from bench.failure import NotRun
from bench.install import ensure_packages
from bench.peers.names import FLOOR
from bench.peers.peer import Baked, Place
from bench.work import Project


@dataclass(frozen=True)
class Containerfile:
    place: Place

    @property
    def name(self) -> str:
        return FLOOR

    def install(self) -> None:
        ensure_packages("buildah")

    def bake(self, project: Project, mark: str) -> Baked:
        project.set_tasks(mark=mark, changed=False)
        return self._build(project, "--no-cache", "--layers=false")

    def bake_again(self, project: Project) -> Baked:
        return self._build(project, "--layers")

    def _build(self, project: Project, *options: str) -> Baked:
        engine = self.place.engine
        missing = [
            block.role
            for block in project.work.blocks
            if block.files and not (project.shell / block.role).is_dir()
        ]
        if missing:
            raise NotRun(f"bakery has not baked what the Containerfile copies ({', '.join(missing)})")
        try:
            done = children.run(
                ["buildah", "bud", *options, "--tag", self.place.image("buildah"), project.shell],
                cwd=project.directory,
                env=engine.environment,
                log=self.place.log(f"{project.work.name}-buildah"),
            )
            return Baked(done.seconds)
        finally:
            engine.tidy()
