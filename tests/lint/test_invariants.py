"""Rules about the source that no linter knows (ARCHITECTURE.md, "Invariants")."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.lint

COLLECTION = Path("collections/ansible_collections/bakery/images")
LONGEST_FILE = 400

# Not os._exit: with it forked children and a second signal end, and no caller is left to notice.
EXITS = {"sys.exit", "exit", "quit", "SystemExit"}
# Sent into a machine as the one file that it is there, a process of its own; what it catches ended a module.
EXECUTOR_PROGRAM = COLLECTION / "plugins" / "module_utils" / "executor_program.py"
# Its other end, copied into a machine's directory as the one file that it is there.
EXECUTOR_CLIENT = COLLECTION / "plugins" / "module_utils" / "executor_client.py"
# Run as processes of their own, so that their main is nobody's function.
PROGRAMS = {"bakery/adapters/ansible/child.py", "bakery/adapters/ansible/vault_check.py"}
# Speak to people: of containers as things that exist, and with examples of what to write.
WORDS_FOR_PEOPLE = ("bakery/cli/", "bakery/load/format.py")
MODULE_EXITS = {"exit_json", "fail_json", "fail_from_exception"}
# What the mains of modules have in common, and so ends the process as they do: nobody else may call it.
SHARED_MAIN = "run_module"

# Hosts of package registries and mirrors, as (name, top-level domain) so that this file names none of them.
PACKAGE_HOSTS = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("deb.debian", "org"),
    ("ftp.debian", "org"),
    ("security.debian", "org"),
    ("snapshot.debian", "org"),
    ("archive.ubuntu", "com"),
    ("galaxy.ansible", "com"),
    ("registry.npmjs", "org"),
    ("proxy.golang", "org"),
)


@pytest.fixture(scope="module")
def package(python_files: tuple[Path, ...], repository: Path) -> tuple[Path, ...]:
    return tuple(path for path in python_files if path.is_relative_to(repository / "bakery"))


@pytest.fixture(scope="module")
def collection(python_files: tuple[Path, ...], repository: Path) -> tuple[Path, ...]:
    return tuple(path for path in python_files if path.is_relative_to(repository / COLLECTION))


def test_only_the_command_line_prints_or_exits(package: tuple[Path, ...], repository: Path) -> None:
    """Invariant 8, for the package."""
    allowed = repository / "bakery" / "cli"
    found = [
        _at(path, node, name)
        for path in package
        if not path.is_relative_to(allowed) and str(path.relative_to(repository)) not in PROGRAMS
        for node, name in _names_used(path)
        if name in EXITS | {"print", "sys.stdout", "sys.stderr"}
    ]
    assert found == []


def test_only_main_of_a_module_exits(collection: tuple[Path, ...], repository: Path) -> None:
    """Invariant 8, for the collection: a function that exits cannot be called by another one."""
    modules = repository / COLLECTION / "plugins" / "modules"
    found = [
        _at(path, node, f"{node.func.attr} in {function or 'the file'}")
        for path in collection
        for node, function in _calls_with_function(path)
        if isinstance(node.func, ast.Attribute) and node.func.attr in MODULE_EXITS
        if not (path.parent == modules and function == "main") and function != SHARED_MAIN
    ]
    found += [
        _at(path, node, f"{SHARED_MAIN} in {function or 'the file'}")
        for path in collection
        for node, function in _calls_with_function(path)
        if isinstance(node.func, ast.Name) and node.func.id == SHARED_MAIN
        if not (path.parent == modules and function == "main")
    ]
    found += [
        _at(path, node, name)
        for path in collection
        if "tests" not in path.relative_to(repository / COLLECTION).parts
        and path.relative_to(repository) != EXECUTOR_PROGRAM
        for node, name in _names_used(path)
        if name in EXITS
    ]
    assert found == []


def test_package_names_no_target_kind(package: tuple[Path, ...], repository: Path) -> None:
    """Invariant 1: a kind is known by the roles of the collection, so a new one needs no change here.

    A kind is named by an identifier with the kind as one of its words, or by a string that is the kind, its
    role, or one of its modules. Sentences in docstrings and messages may speak of containers.
    """
    kinds = {
        role.name.removeprefix("target_") for role in (repository / COLLECTION / "roles").glob("target_*")
    }
    assert kinds, "the collection has no target role"
    kinds |= {"ec2", "ami", "podman", "buildah", "docker", "lxd"}
    kinds -= {"null"}  # also the word of YAML, JSON and Unix
    found = [
        _at(path, node, text)
        for path in package
        for node, text in _identifiers_and_strings(path)
        if _names_a_kind(text, kinds, is_identifier=not isinstance(node, ast.Constant))
        and not str(path.relative_to(repository)).startswith(WORDS_FOR_PEOPLE)
    ]
    assert found == []


def test_collection_never_imports_the_package(collection: tuple[Path, ...]) -> None:
    """Invariant 1, the other way round: the collection alone is enough for other people's playbooks."""
    found = [
        _at(path, node, name)
        for path in collection
        for node, name in _imports(path)
        if name.split(".")[0] == "bakery"
    ]
    assert found == []


def test_collection_plugins_state_their_licence(collection: tuple[Path, ...], repository: Path) -> None:
    plugins = [path for path in collection if path.is_relative_to(repository / COLLECTION / "plugins")]
    assert plugins
    without = [
        str(path.relative_to(repository))
        for path in plugins
        if "SPDX-License-Identifier: GPL-3.0-or-later" not in path.read_text()[:600]
    ]
    assert without == []


def test_no_file_names_a_package_registry(project_files: tuple[Path, ...], repository: Path) -> None:
    """Packages come from where the machine is configured to fetch them: a mirror, a proxy, or offline."""
    hosts = re.compile("|".join(rf"\b{re.escape(f'{name}.{tld}')}\b" for name, tld in PACKAGE_HOSTS).encode())
    found = [
        f"{path.relative_to(repository)}: {match.group().decode()}"
        for path in project_files
        for match in hosts.finditer(path.read_bytes())
    ]
    assert found == []


def test_files_have_one_subject(python_files: tuple[Path, ...], repository: Path) -> None:
    long = [
        f"{path.relative_to(repository)}: {lines} lines"
        for path in python_files
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
        and path.relative_to(repository) not in (EXECUTOR_PROGRAM, EXECUTOR_CLIENT)
    ]
    assert long == []


# ── reading source ─────────────────────────────────────────────────────────────────


def _at(path: Path, node: ast.AST, what: str) -> str:
    return f"{path}:{getattr(node, 'lineno', 0)}: {what}"


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def _names_used(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Every name that is used, plain or dotted once: print, sys.exit; not under the main guard."""
    for node in _walk_without_main_guard(_tree(path)):
        if isinstance(node, ast.Name):
            yield node, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node, f"{node.value.id}.{node.attr}"


def _walk_without_main_guard(tree: ast.Module) -> Iterator[ast.AST]:
    for statement in tree.body:
        match statement:
            case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
                continue
        yield from ast.walk(statement)


def _calls_with_function(path: Path) -> Iterator[tuple[ast.Call, str | None]]:
    """Every call with the name of the outermost function around it."""

    def visit(node: ast.AST, function: str | None) -> Iterator[tuple[ast.Call, str | None]]:
        if isinstance(node, ast.FunctionDef) and function is None:
            function = node.name
        if isinstance(node, ast.Call):
            yield node, function
        for child in ast.iter_child_nodes(node):
            yield from visit(child, function)

    yield from visit(_tree(path), None)


def _imports(path: Path) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node, node.module


def _identifiers_and_strings(path: Path) -> Iterator[tuple[ast.AST, str]]:
    tree = _tree(path)
    docstrings = {
        id(statement.value)
        for statement in ast.walk(tree)
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as text) if id(node) not in docstrings:
                yield node, text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
                yield node, name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.keyword(arg=str() as name):
                yield node, name


def _names_a_kind(text: str, kinds: set[str], *, is_identifier: bool) -> bool:
    if is_identifier:
        words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", text)
        return any(word.lower() in kinds for word in words)
    alternatives = "|".join(sorted(kinds))
    return re.fullmatch(rf"(bakery\.images\.)?(target_)?({alternatives})(_[a-z]+)?", text) is not None
