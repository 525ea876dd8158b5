"""Role folders to RoleSource: what a role is made of, as far as its result can depend on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bakery.errors import BakeryError, InputError, InputErrors, Place
from bakery.load.controller_side import controller_side
from bakery.load.file_tree import TreeFile, is_cache, read_tree, tree_digest
from bakery.load.mistakes import Mistakes, printable, shown_path
from bakery.load.on_disk import is_directory
from bakery.load.role_folders import META, find_role, missing_role, role_names, role_version
from bakery.load.role_text import dynamic_read, is_text, words
from bakery.load.role_uses import Use, dependencies, included_roles
from bakery.load.sealed_texts import sealed_in
from bakery.load.vars_files import vault_text
from bakery.load.yaml_text import parse_yaml
from bakery.model.project import Project, VaultText
from bakery.model.role_source import RoleSource, RunsHere

# At the top of a role: what people and tests read, and what records when it was installed.
_NOT_EFFECTIVE = re.compile(r"(?:README[^/]*|checks|tests|molecule|\.git[^/]*|meta/\.galaxy_install_info)\Z")
_NO_DEPENDENCIES = re.compile(rb"^dependencies: *\[ *\] *$", re.MULTILINE)
_PARTS = ("tasks", "handlers", "defaults", "vars", "meta", "files", "templates", "library", "module_utils")
# Files of variables that nobody has to name (Ansible's "Role directory structure").
_ALWAYS_READ = re.compile(r"(?:defaults|vars)/main(?:\.ya?ml|\.json|/[^/]+)?")
_TASK_FILES = (".yml", ".yaml", ".json")


def load_role(name: str, roles_path: tuple[Path, ...]) -> RoleSource:
    """The role ``name`` from the first folder of ``roles_path`` that has it.

    Raises InputError or InputErrors if it is missing, not a role, or cannot be read.
    """
    path = find_role(name, roles_path)
    if path is None:
        message, hint = missing_role(name, roles_path)
        raise InputError(message, hint=hint)
    files = read_tree(path, ignored=_is_ignored)
    if not any(one.path.startswith(tuple(f"{part}/" for part in _PARTS)) for one in files):
        raise InputError(
            "this folder is not a role",
            where=Place(shown_path(path)),
            hint="a role has at least tasks/main.yml",
        )
    checks = path / "checks"
    return RoleSource(
        name=name,
        path=path,
        version=role_version(path),
        digest=tree_digest(files),
        files={one.path: one.digest for one in files},
        names=_names(files),
        dynamic=_dynamic(name, files),
        uses=_uses(name, files, path=path, roles_path=roles_path),
        checks=checks if is_directory(checks) else None,
        vaults=tuple(_vaults(files, path)),
        runs_here=tuple(_runs_here(files, path)),
        sealed=sealed_in(files, path),
    )


def load_roles(project: Project) -> Mapping[str, RoleSource]:
    """Every role that the project's role sets name, and every role that those can run, by name.

    Raises InputErrors with the mistakes of all of them.
    """
    roles: dict[str, RoleSource] = {}
    errors: list[BakeryError] = []
    seen = {use.name for role_set in project.role_sets.values() for use in role_set.roles}
    todo = sorted(seen)
    while todo:
        name = todo.pop()
        try:
            roles[name] = load_role(name, project.roles_path)
        except InputErrors as error:
            errors.extend(error.errors)
        except InputError as error:
            errors.append(error)
        else:
            todo.extend(use for use in roles[name].uses if use not in seen)
            seen.update(roles[name].uses)
    if errors:
        raise InputErrors(tuple(sorted(errors, key=str)))
    return {name: roles[name] for name in sorted(roles)}


def _is_ignored(path: str) -> bool:
    return bool(_NOT_EFFECTIVE.match(path)) or is_cache(path)


def _vaults(files: Iterable[TreeFile], path: Path) -> Iterator[VaultText]:
    for one in files:
        if one.content and _ALWAYS_READ.fullmatch(one.path):
            found = vault_text(one.content.decode("utf-8", "replace"), path / one.path)
            if found:
                yield found


def _runs_here(files: Iterable[TreeFile], path: Path) -> Iterator[RunsHere]:
    for one in files:
        if one.content and is_text(one.content):
            for line, what in controller_side(one.path, one.content):
                yield RunsHere(Place(shown_path(path / one.path), line), what)


def _names(files: Iterable[TreeFile]) -> frozenset[str]:
    found: set[str] = set()
    for one in files:
        if one.content and is_text(one.content):
            found |= words(one.content)
    return frozenset(word for word in found if not word[0].isdigit())


def _dynamic(name: str, files: Iterable[TreeFile]) -> str | None:
    for one in files:
        if one.content and is_text(one.content):
            found = dynamic_read(one.path, one.content)
            if found:
                return f"{name}/{printable(found)}"
    return None


def _uses(
    name: str, files: Iterable[TreeFile], *, path: Path, roles_path: tuple[Path, ...]
) -> tuple[str, ...]:
    found: list[Use] = []
    mistakes = Mistakes(shown_path(path))
    for one in files:
        if one.path in META and _has_dependencies(one.content or b""):
            mistakes = Mistakes(shown_path(path / one.path))
            text = (one.content or b"").decode("utf-8", "replace")
            needed = dependencies(parse_yaml(text, mistakes, unsafe=True))
            _check_dependencies(needed, roles_path, mistakes=mistakes)
            found.extend(needed)
        elif one.content and one.path.endswith(_TASK_FILES):
            found.extend(included_roles(one.content))
    mistakes.refuse()
    if any(use.name is None for use in found):
        return tuple(other for other in role_names(roles_path) if other != name)
    names = {use.name for use in found if use.name and find_role(use.name, roles_path)}
    return tuple(sorted(names - {name}))


def _has_dependencies(meta: bytes) -> bool:
    """Spares parsing the meta file that most roles have."""
    return b"dependencies" in meta and not _NO_DEPENDENCIES.search(meta)


def _check_dependencies(needed: tuple[Use, ...], roles_path: tuple[Path, ...], *, mistakes: Mistakes) -> None:
    """A missing dependency always fails; a missing include may stand behind a condition."""
    for use in needed:
        if use.name and use.name.count(".") < 2 and find_role(use.name, roles_path) is None:
            message, hint = missing_role(use.name, roles_path)
            mistakes.add(use.line, f"the dependency {message}", hint)
