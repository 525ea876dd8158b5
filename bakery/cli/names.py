"""Names on the command line: checked with a suggestion, and offered to shell completion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from bakery.cli.command import META
from bakery.cli.output import remark
from bakery.cli.session import Session, default_home
from bakery.cli.suggest import closest
from bakery.errors import BakeryError, InputError

if TYPE_CHECKING:
    from bakery.flows.kitchen import Kitchen
    from bakery.flows.machines import Inside
    from bakery.model.project import Project
    from bakery.model.records import ImageRecord


def check_role_sets(project: Project, names: Iterable[str]) -> None:
    """Refuse names that are no role sets of the project, with the one that was probably meant."""
    known = tuple(project.role_sets)
    for name in names:
        if name not in project.role_sets:
            raise InputError(f"there is no role set '{name}' in {project.file.name}", hint=_hint(name, known))


def image_named(kitchen: Kitchen, name: str, target: str | None = None, *, session: Session) -> ImageRecord:
    """The image a user means, or a refusal with the one that was probably meant.

    ``NAME@TARGET`` says the target, as ``target`` does. An image of the project at hand goes before those of
    others; where it is of another one, that is said.
    """
    from bakery.flows.machines import find_image

    name, target = _on_target(name, target)
    project = project_name(session)
    try:
        image = find_image(kitchen, name, target, project=project)
    except InputError as error:
        raise _refusal(kitchen, name, target, error=error) from error
    if said := _whose(kitchen, name, image, project=project):
        remark(session, f"bakery: {said}")
    return image


def inside_named(kitchen: Kitchen, name: str, target: str | None = None, *, session: Session) -> Inside:
    """What a shell opens on when a user says ``name``; see ``image_named``."""
    from bakery.flows.machines import find_inside

    name, target = _on_target(name, target)
    project = project_name(session)
    try:
        inside = find_inside(kitchen, name, target, project=project)
    except InputError as error:
        raise _refusal(kitchen, name, target, error=error) from error
    image = inside.image
    if image and (said := _whose(kitchen, name, image, project=project)):
        remark(session, f"bakery: {said}")
    return inside


def _on_target(name: str, target: str | None) -> tuple[str, str | None]:
    """What ``NAME@TARGET`` means; no name of an image has an ``@``."""
    before, at, after = name.rpartition("@")
    if at and target and target != after:
        raise InputError(f"'{name}' is not on target '{target}'", hint="leave --target out")
    return (before, after) if at else (name, target)


def _refusal(kitchen: Kitchen, name: str, target: str | None, *, error: InputError) -> InputError:
    images = kitchen.catalog.images()
    known = tuple(dict.fromkeys(image.role_set for image in images))
    wanted = name.partition(":")[0]
    if target and wanted in known:
        targets = dict.fromkeys(image.target for image in images if image.role_set == wanted)
        message = f"there is no image '{name}' on target '{target}'"
        return InputError(message, hint=f"it is on {', '.join(targets)}")
    if wanted in known:
        return InputError(error.message, hint=f"see 'bakery images {wanted}'")
    hint = _hint(wanted, known) if known else "bake one with 'bakery bake'"
    return InputError(error.message, hint=hint)


def _whose(kitchen: Kitchen, name: str, image: ImageRecord, *, project: str | None) -> str | None:
    """What to say where a name means an image that another project may not be thought to mean by it."""
    if image.role_set != name.partition(":")[0] or image.project == project:
        return None
    if project is not None:
        return f"'{name}' is an image of project '{image.project}'; project '{project}' has none of that name"
    others = {one.project for one in kitchen.catalog.images() if one.role_set == image.role_set}
    if len(others) == 1 or name not in {image.role_set, f"{image.role_set}:latest"}:
        return None
    named = ", ".join(f"'{other}'" for other in sorted(others - {image.project}))
    newest = f"'{name}' is taken for the newest image of that name, which is of project '{image.project}'"
    return f"{newest}; there is one of {named} too"


def is_latest(kitchen: Kitchen, image: ImageRecord) -> bool:
    """Whether no later image of the same role set and target is recorded, of whatever project."""
    from bakery.flows.images import newest_of_name

    return newest_of_name(kitchen.catalog.images(), image) == image


def role_sets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completion: the role sets of the project."""
    del param
    return _items(_names_of_project(_session(ctx), "role_sets"), incomplete)


def bases(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completion: the bases of the project."""
    del param
    return _items(_names_of_project(_session(ctx), "bases"), incomplete)


def images(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completion: the role sets that have an image."""
    del param
    return _items(_image_names(_session(ctx)), incomplete)


def _items(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name)
        for name in dict.fromkeys(names)
        if name.startswith(incomplete) and name.isprintable()
    ]


def _session(ctx: click.Context) -> Session:
    """What the options typed so far decide."""
    session: Session = ctx.meta.get(META) or Session(None, default_home())
    return session


def project_name(session: Session) -> str | None:
    """The name of the project at hand, or None outside of any; its file need not be right.

    Raises InputError if --project names nothing.
    """
    from bakery.load.project import find_project

    try:
        file = find_project(session.project or Path.cwd())
    except InputError:
        if session.project:
            raise
        return None
    for key, value in _entries(file):
        if key == "name" and isinstance(value.value, str) and value.value:
            return value.value
    return file.absolute().parent.name


def _names_of_project(session: Session, section: str) -> tuple[str, ...]:
    """The keys of a section; a file that cannot be read has none: a prompt is no place for errors."""
    from bakery.load.project import find_project

    try:
        file = find_project(session.project or Path.cwd())
    except (OSError, BakeryError):
        return ()
    for key, value in _entries(file):
        if key == section and isinstance(value.value, list):
            return tuple(str(pair[0].value) for pair in value.value if isinstance(pair, tuple))
    return ()


def _entries(file: Path) -> Iterator[tuple[str, Any]]:
    """The keys of a YAML file with their nodes; none if it cannot be read."""
    import yaml

    try:
        tree = yaml.compose(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError, RecursionError):
        return
    for key, value in tree.value if isinstance(tree, yaml.MappingNode) else ():
        yield str(key.value), value


def _image_names(session: Session) -> tuple[str, ...]:
    from bakery.adapters.catalog import SqliteCatalog

    if not (session.home / "catalog.sqlite").exists():
        return ()
    try:
        return tuple(image.role_set for image in SqliteCatalog(session.home).images())
    except (OSError, BakeryError):
        return ()


def _hint(name: str, known: tuple[str, ...]) -> str:
    close = closest(name, known)
    return f"did you mean '{close}'?" if close else f"there is {', '.join(known)}"
