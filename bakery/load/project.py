"""bakery.yml to Project: the format first, then everything that refers to something else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bakery.errors import InputError, InputErrors, Place
from bakery.load.ansible_paths import check_path
from bakery.load.bases import read_bases
from bakery.load.defaults import read_defaults
from bakery.load.format import project_format
from bakery.load.mistakes import Mistakes, shown_path
from bakery.load.on_disk import is_file, is_there
from bakery.load.role_sets import read_role_sets
from bakery.load.scalar_shapes import Read, Spot
from bakery.load.shapes import Record
from bakery.load.surroundings import Surroundings
from bakery.load.targets import check_bases, read_options
from bakery.load.text_file import read_text
from bakery.load.yaml_nodes import Scalar
from bakery.load.yaml_text import parse_yaml
from bakery.model.project import Project
from bakery.model.target import TargetKind

FILE_NAME = "bakery.yml"


def find_project(start: Path) -> Path:
    """The project file that ``start`` means: itself, or the first bakery.yml in it or a directory above.

    Raises InputError if there is none.
    """
    if is_file(start):
        return start
    if not is_there(start):
        raise InputError(
            "this does not exist", where=Place(shown_path(start)), hint="name a project file or its directory"
        )
    here = Path(os.path.abspath(start))  # noqa: PTH100 - not resolved: links above count as they are written
    for folder in (here, *here.parents):
        if is_there(folder / FILE_NAME):
            return folder / FILE_NAME
    for name in ("bakery.yaml", "Bakery.yml", "bakery.json"):
        if is_there(here / name):
            raise InputError(
                "the project file is called bakery.yml",
                where=Place(shown_path(here / name)),
                hint="rename it",
            )
    raise InputError(
        f"there is no {FILE_NAME} in {here} or above",
        hint="go to a project, or make one with 'bakery init'",
    )


def load_project(path: Path, *, targets: tuple[TargetKind, ...] = ()) -> Project:
    """The project that the file ``path`` (or the bakery.yml in that directory) describes.

    ``targets`` are those that exist, the one for role sets that name none first; if there are none, any name
    goes. Raises InputErrors with every mistake, in the order of the file.
    """
    file = path / FILE_NAME if is_file(path / FILE_NAME) else path
    mistakes = Mistakes(shown_path(file))
    outline = _outline(file, project_format(targets), mistakes)
    here = Surroundings(root=Path(os.path.abspath(file)).parent, mistakes=mistakes)  # noqa: PTH100
    check_path(here.root, None, mistakes, what="the project's directory")
    known_targets = tuple(one.name for one in targets)
    defaults = read_defaults(_section(outline, "defaults"), here, known_targets=known_targets)
    base_entries = _section(outline, "bases")
    bases = read_bases(base_entries, here)
    unreadable = "bases" in outline and outline["bases"].value is None
    role_sets = read_role_sets(
        _section(outline, "role_sets"),
        None if unreadable else tuple(base_entries),
        defaults=defaults,
        here=here,
    )
    configured = read_options(_section(outline, "targets"), targets)
    check_bases(role_sets, base_entries, targets=configured, mistakes=mistakes)
    mistakes.refuse()
    return Project(
        root=here.root,
        file=here.root / file.name,
        name=outline["name"].value if "name" in outline else here.root.name,
        bases=bases,
        role_sets=role_sets,
        roles_path=defaults.roles_path,
        freshness_s=defaults.freshness_s,
        vault=defaults.vault,
        timeouts=defaults.timeouts,
        targets=configured,
    )


def _outline(file: Path, form: Record, mistakes: Mistakes) -> Mapping[str, Read]:
    """What the file says, of the right form; nothing if it is no YAML at all."""
    try:
        text = read_text(file)
    except InputError as error:
        raise InputErrors((error,)) from error
    node = parse_yaml(text, mistakes)
    if node is None or (isinstance(node, Scalar) and node.value is None):
        if not len(mistakes):
            mistakes.add(
                None, "this file is empty", "write a project into it, or make one with 'bakery init'"
            )
        mistakes.refuse()
        return {}
    outline: Mapping[str, Read] | None = form.read(node, Spot("", node.line), mistakes=mistakes).value
    return outline or {}


def _section(outline: Mapping[str, Read], name: str) -> Mapping[str, Read]:
    return outline[name].value or {} if name in outline else {}
