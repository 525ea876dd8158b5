"""Links in a machine's tree are followed inside of it and never out onto this host."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.machine_tree import (
    boots_systemd,
    make_directory,
    make_stubs,
    resolve,
)


def test_absolute_link_stays_in_the_tree(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/real").touch()
    (tmp_path / "link").symlink_to("/etc/real")
    assert resolve(str(tmp_path), "/link") == f"{tmp_path}/etc/real"


def test_dots_cannot_climb_out(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "out").symlink_to("../../../../etc")
    assert resolve(str(tmp_path), "/out") == f"{tmp_path}/etc"


def test_loop_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert resolve(str(tmp_path), "/a") is None


@pytest.mark.parametrize(("init", "expected"), [("systemd", True), ("busybox", False)])
def test_systemd_is_told_by_where_init_leads(tmp_path: Path, init: str, expected: bool) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/sbin").mkdir()
    program = tmp_path / "usr/lib" / init
    program.touch(mode=0o755)
    (tmp_path / "usr/sbin/init").symlink_to(f"/usr/lib/{init}")
    (tmp_path / "sbin").symlink_to("usr/sbin")
    assert boots_systemd(str(tmp_path)) is expected


def test_tree_without_init_does_not_boot(tmp_path: Path) -> None:
    assert not boots_systemd(str(tmp_path))


def test_a_directory_is_made_with_those_above_it(tmp_path: Path) -> None:
    make_directory(str(tmp_path), "/srv/app/data")
    assert (tmp_path / "srv/app/data").is_dir()
    make_directory(str(tmp_path), "/srv/app/data/")
    make_directory(str(tmp_path), "/")


def test_a_directory_is_made_where_links_lead_inside_the_tree(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    (tree / "data").mkdir(parents=True)
    outside.mkdir()
    (tree / "srv").symlink_to("/data")
    (tree / "out").symlink_to(outside)
    (tree / "up").symlink_to("../../../../..")
    for path in ("/srv/app", "/out/app", "/up/new/x", "/../../climbed"):
        make_directory(str(tree), path)
    assert (tree / "data/app").is_dir()
    assert list(outside.iterdir()) == []
    assert (tree / "new/x").is_dir()
    assert (tree / "climbed").is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "tree"]


@pytest.mark.parametrize("kind", ["file", "dangling link", "loop"])
def test_a_directory_that_cannot_be_made_is_left_to_the_engine(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / "f").touch()
    else:
        (tmp_path / "f").symlink_to("f" if kind == "loop" else "gone")
    before = sorted(tmp_path.iterdir())
    make_directory(str(tmp_path), "/f/below")
    assert sorted(tmp_path.iterdir()) == before


def test_stubs_leave_the_times_of_directories(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    before = (tmp_path / "etc").stat().st_mtime_ns
    made = make_stubs(str(tmp_path), ("etc/hosts", "etc/mtab", "etc"))
    assert made == ("etc/hosts", "etc/mtab")
    assert (tmp_path / "etc").stat().st_mtime_ns == before


def test_stubs_are_not_made_through_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "etc").symlink_to(outside)
    assert make_stubs(str(tree), ("etc/hosts",)) == ()
    assert list(outside.iterdir()) == []
