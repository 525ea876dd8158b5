"""The project of an invocation that can do without one, and what verbs about bases ask of it."""

from __future__ import annotations

from pathlib import Path

from bakery.adapters.ansible.targets import target_kinds
from bakery.cli import wiring
from bakery.cli.doctor.needs import Asked
from bakery.cli.session import Session
from bakery.errors import InputError
from bakery.load.project import find_project
from bakery.model.project import BaseSpec, Project
from bakery.ports import Catalog


def project_if_any(session: Session) -> Project | None:
    """The project that --project names or that the working directory is in; None outside of one.

    A project that is there but wrong is refused as everywhere.
    """
    if session.project is None:
        try:
            find_project(Path.cwd())
        except InputError:
            return None
    return wiring.open_project(session)


def targets_asked(project: Project | None) -> dict[str, Asked]:
    """What ``bakery doctor`` is to ask of each kind of target.

    In a project those are used that a role set names, outside of one those that are here: what is elsewhere
    wants credentials and the like, which are nobody's need who does not use it.
    """
    if project is None:
        return {kind.name: Asked(used=not kind.shared) for kind in target_kinds()}
    used = {target for one in project.role_sets.values() for target in one.targets}
    return {name: Asked(name in used, target.options) for name, target in project.targets.items()}


def targets_with(step: str, project: Project | None, catalog: Catalog) -> tuple[str, ...]:
    """The targets that have an entry point.

    One that is elsewhere counts only where it is used, by the project or by what the catalog has: asking
    it takes time and wants credentials.
    """
    used = {target for one in project.role_sets.values() for target in one.targets} if project else set()
    used.update(one.target for one in catalog.open_machines())
    used.update(one.target for one in catalog.images())
    used.update(one.target for one in catalog.bases().values())
    return tuple(
        kind.name for kind in target_kinds() if step in kind.steps and (kind.name in used or not kind.shared)
    )


def bases_by_target(project: Project) -> tuple[tuple[str, BaseSpec], ...]:
    """Every base on every target that a role set uses it on, in the order of the file."""
    return tuple(
        (target, project.base(name, target))
        for name in project.bases
        for target in dict.fromkeys(
            target for one in project.role_sets.values() if one.base == name for target in one.targets
        )
    )
