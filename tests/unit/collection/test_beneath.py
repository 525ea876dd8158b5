"""Nothing in a tree that somebody else filled leads out of it, or makes anybody wait."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils import beneath


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("the host's")
    (tmp_path / "tree" / "etc").mkdir(parents=True)
    (tmp_path / "tree" / "etc" / "passwd").write_text("root:x:0:0")
    descriptor = os.open(tmp_path / "tree", beneath.DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(params=["openat2", "components"])
def opening(request: pytest.FixtureRequest) -> str:
    """Both ways of resolving; a path longer than PATH_MAX is resolved component by component."""
    return "" if request.param == "openat2" else "./" * 2100


def test_a_file_is_read_whole(tree: int, opening: str) -> None:
    assert beneath.read_small(tree, f"{opening}etc/passwd", limit=10) == b"root:x:0:0"


def test_a_file_over_the_limit_is_refused_though_it_is_sparse(tree: int, opening: str) -> None:
    os.truncate(f"/proc/self/fd/{tree}/etc/passwd", 1 << 40)
    with pytest.raises(OSError, match="larger than the 1000 bytes") as caught:
        beneath.read_small(tree, f"{opening}etc/passwd", limit=1000)
    assert caught.value.errno == errno.EFBIG


@pytest.mark.parametrize("target", ["/etc", "../outside", "..", "/proc/self/root/etc", "nowhere", "etc"])
def test_a_link_in_the_way_is_not_followed(tree: int, opening: str, target: str) -> None:
    os.symlink(target, "way", dir_fd=tree)
    assert beneath.read_small(tree, f"{opening}way/passwd", limit=1000) is None
    assert beneath.open_directory(tree, f"{opening}way") is None
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        beneath.open_beneath(tree, f"{opening}way/new", os.O_WRONLY | os.O_CREAT, mode=0o600)


@pytest.mark.parametrize("target", ["/etc/shadow", "../outside/secret", "/proc/self/fd/0", "etc/passwd"])
def test_a_file_that_is_a_link_is_not_read_or_truncated(
    tree: int, opening: str, target: str, tmp_path: Path
) -> None:
    os.symlink(target, "etc/shadow", dir_fd=tree)
    assert beneath.read_small(tree, f"{opening}etc/shadow", limit=1000) is None
    assert beneath.open_regular(tree, f"{opening}etc/shadow", os.O_WRONLY | os.O_TRUNC) is None
    assert (tmp_path / "outside" / "secret").read_text() == "the host's"


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside/secret", "etc/../../outside/secret", ".."])
def test_a_path_does_not_leave_the_directory(tree: int, path: str) -> None:
    assert beneath.read_small(tree, path, limit=1000) is None
    with pytest.raises(OSError, match="leads out of the tree"):
        beneath.open_beneath(tree, path)


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR])
def test_nothing_waits_for_a_fifo(tree: int, opening: str, flags: int) -> None:
    os.mkfifo("etc/fifo", dir_fd=tree)
    assert beneath.open_regular(tree, f"{opening}etc/fifo", flags) is None


def test_a_socket_or_a_directory_is_no_file(tree: int, opening: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "tree" / "etc" / "socket"))
    assert beneath.open_regular(tree, f"{opening}etc/socket") is None
    assert beneath.open_regular(tree, f"{opening}etc") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_never_opened(tree: int, opening: str) -> None:
    # /dev/mem's numbers with a minor that no driver has: opening it would be ENXIO.
    os.mknod("etc/device", 0o20600, os.makedev(1, 250), dir_fd=tree)
    assert beneath.open_regular(tree, f"{opening}etc/device") is None
    os.mknod("etc/full", 0o20600, os.makedev(1, 7), dir_fd=tree)
    assert beneath.read_small(tree, f"{opening}etc/full", limit=1000) is None


def test_the_status_is_that_of_a_link_itself(tree: int, opening: str) -> None:
    os.symlink("/etc/passwd", "link", dir_fd=tree)
    status = beneath.status_beneath(tree, f"{opening}link")
    assert status is not None
    assert stat.S_ISLNK(status.st_mode)
    assert beneath.status_beneath(tree, f"{opening}etc/none") is None
    assert beneath.status_beneath(tree, f"{opening}etc/passwd/none") is None


def test_a_file_is_made_beneath(tree: int, opening: str, tmp_path: Path) -> None:
    os.close(
        beneath.open_beneath(tree, f"{opening}etc/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
    )
    assert (tmp_path / "tree" / "etc" / "new").stat().st_mode & 0o777 == 0o600
