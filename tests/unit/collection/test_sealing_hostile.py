"""Sealing a tree that was made to lead the host astray."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

from tests.unit.collection.stopped_machine import LATER, Bake, bytecode

SHADOW = f"root:*:{LATER // 86_400}:0:99999:7:::\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Directories of the host, as a machine may have links to."""
    for path in (
        "etc/shadow",
        "etc/ssh/ssh_host_rsa_key",
        "log/journal/system",
        "log/dpkg.log",
        "tmp/precious",
    ):
        (tmp_path / "host" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "host" / path).write_text(SHADOW)
    (tmp_path / "host" / "log" / "a.pyc").write_bytes(bytecode(0, LATER))
    return tmp_path / "host"


def looks(tree: Path) -> dict[str, tuple[int, bytes]]:
    return {str(p): (p.lstat().st_mtime_ns, p.read_bytes()) for p in tree.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "links",
    [
        {"etc": "etc"},
        {"etc/ssh": "etc/ssh"},
        {"etc/shadow": "etc/shadow"},
        {"etc/gshadow": "etc/shadow"},
        {"etc/machine-id": "etc/shadow"},
        {"var": "."},
        {"var/log": "log"},
        {"var/log/journal": "log/journal"},
        {"var/log/dpkg.log": "log/dpkg.log"},
        {"var/tmp": "tmp"},
        {"tmp": "tmp"},
        {"root": "."},
        {"home/alice": "."},
        {"opt/log": "log"},
        {"opt/a.pyc": "log/a.pyc"},
        {"var/cache/man": "tmp"},
        {"var/lib/dbus/machine-id": "etc/shadow"},
    ],
    ids=str,
)
def test_nothing_of_the_host_is_touched_through_a_link(
    bake: Bake, outside: Path, links: dict[str, str]
) -> None:
    before = looks(outside)
    for path, target in links.items():
        (bake.upper / path).parent.mkdir(parents=True, exist_ok=True)
        (bake.upper / path).symlink_to(outside / target)
        (bake.lower / path).parent.mkdir(parents=True, exist_ok=True)
        (bake.lower / path).symlink_to(outside / target)
    bake.seal()
    assert looks(outside) == before


@pytest.mark.parametrize("directory", ["var/log", "etc", "root", "tmp"])
def test_a_lower_layers_link_is_not_looked_through(bake: Bake, outside: Path, directory: str) -> None:
    (bake.lower / directory).parent.mkdir(parents=True, exist_ok=True)
    (bake.lower / directory).symlink_to(outside / "log")
    bake.write(f"{directory}/dpkg.log")
    before = looks(outside)
    bake.seal()
    assert looks(outside) == before


@pytest.mark.parametrize(
    "path",
    [
        "etc/shadow",
        "etc/gshadow",
        "etc/machine-id",
        "etc/passwd-",
        "var/log/dpkg.log",
        "var/log/app.log",
        "root/.bash_history",
        "etc/ssh/ssh_host_rsa_key",
        "opt/a.pyc",
        "opt/__pycache__/a.cpython-311.pyc",
        "etc/mtab",
        "tmp/fifo",
    ],
)
@pytest.mark.parametrize("kind", ["fifo", "device", "directory"])
def test_something_else_in_the_place_of_a_file_is_never_waited_for(bake: Bake, path: str, kind: str) -> None:
    for tree in (bake.upper, bake.lower):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        if kind == "fifo":
            os.mkfifo(tree / path)
        elif kind == "device":
            os.mknod(tree / path, 0o20666, os.makedev(5, 0))
        else:
            (tree / path / "deeper").mkdir(parents=True)
    bake.seal(stubs=("etc/mtab",))


def test_a_fifo_below_is_not_compared_with(bake: Bake) -> None:
    (bake.lower / "var/log").mkdir(parents=True)
    os.mkfifo(bake.lower / "var/log/app.log")
    bake.write("var/log/app.log")
    assert bake.told() == {"/var/log/app.log": "emptied"}


def test_a_shadow_file_of_any_size_is_not_read(bake: Bake) -> None:
    os.truncate(bake.write("etc/shadow"), 1 << 40)
    with pytest.raises(MachineFailure, match=r"cannot seal /etc/shadow: larger than the \d+ bytes"):
        bake.seal()


def test_a_huge_sparse_log_costs_nothing(bake: Bake) -> None:
    for lower in (True, False):
        os.truncate(bake.write("var/log/app.log", lower=lower), 1 << 40)
        os.truncate(bake.write("etc/machine-id", lower=lower), 1 << 16)
    bake.seal()
    assert "var/log/app.log" not in bake.left()


def test_emptying_a_log_leaves_the_other_names_of_the_file(bake: Bake) -> None:
    program = bake.write("usr/bin/program", "precious")
    (bake.upper / "var/log").mkdir(parents=True)
    (bake.upper / "var/log/app.log").hardlink_to(program)
    os.setxattr(program, "user.kept", b"1")
    bake.seal()
    assert program.read_text() == "precious"
    assert (bake.upper / "var/log/app.log").read_text() == ""
    assert os.getxattr(bake.upper / "var/log/app.log", "user.kept") == b"1"


@pytest.fixture
def nested(bake: Bake) -> Iterator[Callable[..., None]]:
    """Makes nested directories, which pytest itself could not remove."""

    def nest(tree: Path, path: str, depth: int, *, name: str = "d") -> None:
        (tree / path).mkdir(parents=True)
        here = os.open(tree / path, os.O_RDONLY)
        for _level in range(depth):
            os.mkdir(name, dir_fd=here)
            deeper = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = deeper
        os.close(here)

    yield nest
    delete_tree(str(bake.upper))
    delete_tree(str(bake.lower))


@pytest.mark.parametrize("lower", [False, True])
def test_a_tree_of_1500_levels_is_sealed(bake: Bake, nested: Callable[..., None], *, lower: bool) -> None:
    nested(bake.upper, "opt/deep", 1500)
    if lower:
        nested(bake.lower, "opt/deep", 1500)
    bake.seal()
    assert (bake.upper / "opt/deep").exists() is not lower


def test_a_path_that_no_engine_could_unpack_is_refused(bake: Bake, nested: Callable[..., None]) -> None:
    nested(bake.upper, "opt/deep", 20, name="n" * 250)
    with pytest.raises(MachineFailure, match=r"18 directories deep.*longer than the 4095"):
        bake.seal()


def test_what_goes_anyway_may_be_of_any_depth(bake: Bake, nested: Callable[..., None]) -> None:
    nested(bake.upper, "tmp/deep", 1500, name="n" * 50)
    bake.seal()
    assert bake.left() == []
    assert not (bake.upper / "tmp").exists() or not list((bake.upper / "tmp").iterdir())
