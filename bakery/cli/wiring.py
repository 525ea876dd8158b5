"""The composition root: builds the doors and reads the world for one invocation."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bakery.adapters.ansible.places import collection_paths
from bakery.adapters.ansible.processes import kill_runs_of_this_process
from bakery.adapters.ansible.runner import AnsibleRunner
from bakery.adapters.ansible.targets import target_kinds
from bakery.adapters.ansible.toolchain import find_toolchain
from bakery.adapters.cancel import SignalCancel
from bakery.adapters.catalog import SqliteCatalog
from bakery.adapters.locks import FileLocks
from bakery.adapters.owner import this_owner
from bakery.adapters.reports import keep_report
from bakery.adapters.secret import load_secret
from bakery.cli.output import remark
from bakery.cli.session import Session
from bakery.cli.text import one_line
from bakery.errors import BakeryError, InputError
from bakery.flows.bake import artifact_exists
from bakery.flows.kitchen import Kitchen
from bakery.load.digests import digest_collections, digest_path
from bakery.load.project import find_project, load_project
from bakery.load.roles import load_roles
from bakery.load.sealed_texts import sealed_below
from bakery.load.vars_files import load_vars_file
from bakery.model.plan import Plan, Toolchain, World
from bakery.model.progress import Event, Note, Warned
from bakery.model.project import Project, Secrets, Timeouts
from bakery.model.records import BaseRecord
from bakery.planning import plan, wanted_sets
from bakery.ports import Watch


class SayRemarks:
    """The Watch of verbs that show no progress: what their user should know all the same, warnings once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._said: set[str] = set()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Note):
            remark(self._session, f"bakery: {one_line(event.text)}")
        elif isinstance(event, Warned) and event.text not in self._said:
            self._said.add(event.text)
            remark(self._session, f"bakery: warning: {one_line(event.text)}")


@contextmanager
def open_kitchen(
    session: Session, watch: Watch | None = None, project: Project | None = None
) -> Iterator[Kitchen]:
    """The doors for one invocation, with signals handled while it lasts."""
    with SignalCancel(on_second=kill_runs_of_this_process) as cancel:
        yield Kitchen(
            home=session.home,
            project_root=project.root if project else _place_of_no_project(),
            owner=this_owner(secrets.token_hex(6)),
            catalog=SqliteCatalog(session.home),
            locks=FileLocks(session.home, cancel),
            ansible=AnsibleRunner(cancel),
            cancel=cancel,
            watch=watch or SayRemarks(session),
            timeouts=project.timeouts if project else Timeouts(),
            targets=project.targets if project else {},
            keep_report=keep_report,
        )


def _place_of_no_project() -> Path:
    """Where runs are started outside of any project: here, unless Ansible cannot be told the path."""
    here = Path.cwd()
    try:
        str(here).encode("utf-8")
    except UnicodeEncodeError:
        return Path("/")
    return here


def open_project(session: Session) -> Project:
    """The project that the options or the working directory mean, loaded and valid."""
    return load_project(find_project(session.project or Path.cwd()), targets=target_kinds())


def read_world(project: Project, kitchen: Kitchen) -> World:
    """Everything a plan depends on, read once."""
    roles = load_roles(project)
    uses = [use for role_set in project.role_sets.values() for use in role_set.roles]
    vars_files = {path for use in uses for path in use.vars_files}
    inputs = {path for use in uses for path in use.inputs}
    checks = {path for role_set in project.role_sets.values() for path in role_set.checks}
    checks.update(source.checks for source in roles.values() if source.checks)
    architecture, ansible_core = find_toolchain()
    return World(
        roles=roles,
        bases=kitchen.catalog.bases(),
        layers=kitchen.catalog.layers(),
        images=tuple(one for one in kitchen.catalog.images() if artifact_exists(one)),
        vars_files={str(path): load_vars_file(path) for path in vars_files},
        input_digests={str(path): digest_path(path) for path in inputs},
        input_vaults={str(path): found for path in inputs if (found := sealed_below(path))},
        check_digests={str(path): digest_path(path) for path in checks},
        toolchain=Toolchain(
            architecture=architecture,
            ansible_core=ansible_core,
            collections=digest_collections(collection_paths(project.root)),
        ),
        secret=load_secret(kitchen.home),
        now=datetime.now(UTC),
    )


@dataclass(frozen=True)
class Planner:
    """Plans the same role sets again whenever the world may have changed."""

    project: Project
    kitchen: Kitchen
    wanted: tuple[tuple[str, str], ...]

    def __call__(self) -> Plan:
        return plan(self.project, self.wanted, read_world(self.project, self.kitchen))

    def with_base(self, record: BaseRecord) -> Plan:
        """The plan as it would be if a base were recorded so."""
        world = read_world(self.project, self.kitchen)
        bases = {**world.bases, (record.target, record.spec): record}
        return plan(self.project, self.wanted, replace(world, bases=bases))


def require_open_vaults(project: Project, kitchen: Kitchen, wanted: Plan, *, rebake: bool) -> None:
    """Refuse a bake whose roles would fail in the middle, because Ansible cannot open what is encrypted.

    Asks nothing where no role is to be baked, and where there is nothing to open.
    """
    sets = [one for one in wanted.sets if rebake or one.image is None]
    nodes = [node for one in sets for node in (one.nodes if rebake else one.to_bake)]
    values = tuple(dict.fromkeys(value for node in nodes for value in node.vaults))
    if nodes and (values or project.vault.identities):
        # Here and not above: an unchanged project must not pay for this import.
        from bakery.adapters.ansible import vaults

        vaults.require_open_vaults(project, values, cancel=kitchen.cancel)


def hiding(project: Project | None, kitchen: Kitchen, *wanted: tuple[str, str]) -> Kitchen:
    """The kitchen whose runs say nothing that the role sets ``wanted``, each with its target, know.

    What is not of this project, or of one that has mistakes, is hidden as far as the catalog knows of it.
    """
    mine = tuple(
        (name, target)
        for name, target in wanted
        if project and name in project.role_sets and target in project.role_sets[name].targets
    )
    if project is None or not mine:
        return kitchen
    try:
        known = [one.secrets for one in Planner(project, kitchen, mine)().sets]
    except BakeryError:
        return kitchen
    others = tuple(dict.fromkeys(text for one in known for text in one.others))
    secrets = Secrets((), others, project.vault)
    return kitchen.hiding(secrets.with_opened(text for one in known for text in one.needed))


def planner(
    project: Project, kitchen: Kitchen, names: tuple[str, ...], *, targets: tuple[str, ...] = ()
) -> Planner:
    """A planner for ``names`` (all role sets if empty) on ``targets`` (all of each set if empty)."""
    for name in names:
        if name not in project.role_sets:
            raise InputError(
                f"there is no role set '{name}' in {project.file.name}",
                hint=f"it has {', '.join(project.role_sets)}",
            )
    return Planner(project, kitchen, wanted_sets(project, names, targets))
