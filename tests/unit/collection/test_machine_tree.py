"""Links in a machine's tree are followed inside of it and never out onto this host."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.machine_tree import (
    boots_systemd,
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
