"""Trees deeper than Python recurses and than descriptors reach are walked and removed."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.directory_chain import (
    Directory,
    close_below,
    delete_tree,
    disk_usage,
    remove_tree,
)

DEPTH = 1500


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def nest(root: int, depth: int, *, beside: bool = False) -> None:
    """``d/d/d…``; with ``beside`` a file, a link and an empty directory in every one."""
    here = os.dup(root)
    for _level in range(depth):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
        if beside:
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
            os.symlink("/", "link", dir_fd=here)
            os.mkdir("empty", dir_fd=here)
    os.close(here)


def climb(here: Directory) -> None:
    while here.above is not None:
        here = here.leave()


@pytest.mark.usefixtures("few_descriptors")
@pytest.mark.parametrize("beside", [False, True])
def test_a_tree_of_any_depth_is_removed(root: int, tmp_path: Path, *, beside: bool) -> None:
    nest(root, DEPTH, beside=beside)
    remove_tree(root, "d")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("few_descriptors")
def test_a_walk_comes_back_to_where_it_was(root: int) -> None:
    nest(root, DEPTH)
    here, inodes = Directory(root), []
    for _level in range(DEPTH):
        inodes.append(os.fstat(here.descriptor).st_ino)
        here = here.enter("d")
    while inodes:
        here = here.leave()
        assert os.fstat(here.descriptor).st_ino == inodes.pop()
    assert here.descriptor == root
    delete_tree(f"/proc/self/fd/{root}/d")


def test_a_directory_that_was_moved_meanwhile_is_not_taken_for_another(root: int, tmp_path: Path) -> None:
    nest(root, 40)
    here = Directory(root)
    for _level in range(40):
        here = here.enter("d")
    (tmp_path / ("d/" * 10)).rename(tmp_path / "moved")
    with pytest.raises(OSError, match="moved while"):
        climb(here)
    close_below(here)


def test_a_link_is_removed_and_not_what_it_leads_to(root: int, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("x")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    remove_tree(root, "tree")
    remove_tree(root, "link")
    assert [path.name for path in tmp_path.rglob("*")] == ["outside", "file"]


def test_what_is_gone_already_need_not_be_deleted(tmp_path: Path) -> None:
    delete_tree(str(tmp_path / "none"))
    delete_tree(str(tmp_path / "none" / "deeper"))


@pytest.mark.usefixtures("few_descriptors")
def test_what_a_tree_takes_is_told_at_any_depth_and_once_a_file(root: int, tmp_path: Path) -> None:
    nest(root, DEPTH, beside=True)
    (tmp_path / "d" / "heavy").write_bytes(b"x" * (1 << 20))
    (tmp_path / "d" / "d" / "again").hardlink_to(tmp_path / "d" / "heavy")
    before = disk_usage(str(tmp_path))
    (tmp_path / "d" / "heavy").unlink()
    assert disk_usage(str(tmp_path)) == before
    (tmp_path / "d" / "d" / "again").unlink()
    assert before - disk_usage(str(tmp_path)) >= 1 << 20
    delete_tree(str(tmp_path / "d"))
