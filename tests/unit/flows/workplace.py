"""A project, its catalog and a fake target, as one bake after the other finds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bakery.errors import BakeryError
from bakery.flows.bake import BakeRequest, artifact_exists, bake
from bakery.flows.bases import ensure_base
from bakery.flows.kitchen import Kitchen
from bakery.model.plan import Plan, World
from bakery.model.progress import Event, Note
from bakery.model.project import Project
from bakery.model.records import Owner
from bakery.model.result import BakeResult, OnError
from bakery.model.role_source import RoleSource
from bakery.planning import plan, wanted_sets
from tests.unit.builders import TARGET, world
from tests.unit.fake_target import FakeAnsible
from tests.unit.fakes import Diary, FakeCancel, FakeCatalog, FakeLocks

OWNER = Owner(bake="bake-1", pid=100, start=5, boot="boot-1")


def discard(_: BakeryError) -> OnError:
    return OnError.DISCARD


def keep(_: BakeryError) -> OnError:
    return OnError.KEEP


class Workplace:
    """Reads the world and bakes as the command line does. ``roles`` and ``changes`` alter what is on disk."""

    def __init__(self, project: Project, home: Path) -> None:
        self.project = project
        self.roles: dict[str, RoleSource] = {}
        self.changes: dict[str, Any] = {}
        self.events: list[Event] = []
        self.diary = Diary()
        self.cancel = FakeCancel()
        self.catalog = FakeCatalog(self.diary)
        self.locks = FakeLocks(self.cancel)
        self.ansible = FakeAnsible(self.cancel, self.diary.write)
        self.kitchen = Kitchen(
            home=home,
            project_root=project.root,
            owner=OWNER,
            catalog=self.catalog,
            locks=self.locks,
            ansible=self.ansible,
            cancel=self.cancel,
            watch=self.events.append,
        )

    def make_base(self) -> None:
        """Make the base beforehand, out of the diary."""
        ensure_base(self.kitchen, TARGET, self.project.bases["bookworm"])
        self.forget_diary()

    def forget_diary(self) -> None:
        self.ansible.runs.clear()
        self.ansible.playbooks.clear()
        self.diary.lines.clear()
        self.events.clear()

    def world(self) -> World:
        return world(
            self.project,
            *self.roles.values(),
            bases=self.catalog.bases(),
            layers=self.catalog.layers(),
            images=tuple(one for one in self.catalog.images() if artifact_exists(one)),
            **self.changes,
        )

    def plan(self, *names: str) -> Plan:
        return plan(self.project, wanted_sets(self.project, names), self.world())

    def bake(
        self,
        *names: str,
        jobs: int = 1,
        rebake: bool = False,
        keep_machine: bool = False,
        on_failure: Callable[[BakeryError], OnError] = discard,
    ) -> tuple[BakeResult, ...]:
        """Bake these role sets, all of them if none is named."""
        request = BakeRequest(
            project=self.project,
            plan=self.plan(*names),
            replan=lambda: self.plan(*names),
            jobs=jobs,
            rebake=rebake,
            keep=keep_machine,
            on_failure=on_failure,
        )
        return bake(request, self.kitchen)

    def bake_one(self, name: str = "web", **options: Any) -> BakeResult:
        (result,) = self.bake(name, **options)
        return result

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note)]
