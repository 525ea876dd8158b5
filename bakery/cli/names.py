"""Names on the command line: checked with a suggestion, and offered to shell completion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from bakery.cli.command import META
from bakery.cli.session import Session, default_home
from bakery.cli.suggest import closest
from bakery.errors import BakeryError, InputError

if TYPE_CHECKING:
    from bakery.flows.kitchen import Kitchen
    from bakery.model.project import Project
    from bakery.model.records import ImageRecord


def check_role_sets(project: Project, names: Iterable[str]) -> None:
    """Refuse names that are no role sets of the project, with the one that was probably meant."""
    known = tuple(project.role_sets)
    for name in names:
        if name not in project.role_sets:
            raise InputError(f"there is no role set '{name}' in {project.file.name}", hint=_hint(name, known))


def image_named(kitchen: Kitchen, name: str, target: str | None = None) -> ImageRecord:
    """The image a user means, or a refusal with the one that was probably meant."""
    from bakery.flows.machines import find_image

    try:
        return find_image(kitchen, name, target)
    except InputError as error:
        images = kitchen.catalog.images()
        known = tuple(dict.fromkeys(image.role_set for image in images))
        wanted = name.partition(":")[0]
        if target and wanted in known:
            targets = dict.fromkeys(image.target for image in images if image.role_set == wanted)
            message = f"there is no image '{name}' on target '{target}'"
            raise InputError(message, hint=f"it is on {', '.join(targets)}") from error
        if wanted in known:
            raise InputError(error.message, hint=f"see 'bakery images {wanted}'") from error
        hint = _hint(wanted, known) if known else "bake one with 'bakery bake'"
        raise InputError(error.message, hint=hint) from error


def is_latest(kitchen: Kitchen, image: ImageRecord) -> bool:
    """Whether no later image of the same role set and target is recorded."""
    same = [
        one
        for one in kitchen.catalog.images()
        if (one.role_set, one.target) == (image.role_set, image.target)
    ]
    return bool(same) and same[-1] == image


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
    return [CompletionItem(name) for name in dict.fromkeys(names) if name.startswith(incomplete)]


def _session(ctx: click.Context) -> Session:
    """What the options typed so far decide."""
    session: Session = ctx.meta.get(META) or Session(None, default_home())
    return session


def _names_of_project(session: Session, section: str) -> tuple[str, ...]:
    """The keys of a section; a file that cannot be read has none: a prompt is no place for errors."""
    from pathlib import Path

    import yaml

    from bakery.load.project import find_project

    try:
        text = find_project(session.project or Path.cwd()).read_bytes()
        tree = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, BakeryError, yaml.YAMLError):
        return ()
    for key, value in tree.value if isinstance(tree, yaml.MappingNode) else ():
        if key.value == section and isinstance(value, yaml.MappingNode):
            return tuple(str(name.value) for name, _ in value.value)
    return ()


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
