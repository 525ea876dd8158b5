"""What is booted for the checks is what is shipped: a sealed tree equals what is unpacked from its tar.

Unpacked by our own reader, and by GNU tar, which knows nothing of ours.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import stat
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.bakery.images.plugins.module_utils.content_attributes import is_kept
from ansible_collections.bakery.images.plugins.module_utils.tar_stream import write_layer_tar
from ansible_collections.bakery.images.plugins.module_utils.tar_unpack import unpack_layer

from tests.unit.collection.stopped_machine import EPOCH, Bake

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices and gives files away")

# linux/posix_acl_xattr.h: version 2, then entries of tag, permissions, id.
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NOBODY = 0xFFFFFFFF


class Look(NamedTuple):
    """All of an entry that a program in the machine can see, but for what no image holds (its inode's number
    and the times of access and of the last change).
    """

    mode: int
    owner: tuple[int, int]
    mtime: int
    device: int
    content: bytes
    attributes: dict[str, bytes]
    names: tuple[str, ...]


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


MINIMAL = acl((_USER_OBJ, 6, _NOBODY), (_GROUP_OBJ, 4, _NOBODY), (_OTHER, 4, _NOBODY))
ONE_USER = acl(
    (_USER_OBJ, 6, _NOBODY),
    (_USER, 6, 1000),
    (_GROUP_OBJ, 4, _NOBODY),
    (_MASK, 6, _NOBODY),
    (_OTHER, 0, _NOBODY),
)
MANY = acl(
    (_USER_OBJ, 7, _NOBODY),
    *((_USER, 5, uid) for uid in range(1000, 1030)),
    (_USER, 7, 3_000_000_000),
    (_GROUP_OBJ, 5, _NOBODY),
    (_GROUP, 7, 4),
    (_MASK, 7, _NOBODY),
    (_OTHER, 0, _NOBODY),
)


def looks(tree: Path) -> dict[str, Look]:
    """The whole tree, path by path; hard links by the names that share an inode."""
    shared: dict[int, list[str]] = {}
    found: dict[str, Look] = {}
    paths = {str(path.relative_to(tree)): path for path in [tree, *tree.rglob("*")]}
    for name, path in sorted(paths.items()):
        if not stat.S_ISDIR(path.lstat().st_mode):
            shared.setdefault(path.lstat().st_ino, []).append(name)
    for name, path in paths.items():
        status = path.lstat()
        content = b""
        if stat.S_ISLNK(status.st_mode):
            content = os.fsencode(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        attributes = os.listxattr(path, follow_symlinks=False)
        found[name] = Look(
            status.st_mode,
            (status.st_uid, status.st_gid),
            status.st_mtime_ns,
            status.st_rdev,
            content,
            {key: os.getxattr(path, key, follow_symlinks=False) for key in attributes if is_kept(key)},
            tuple(shared.get(status.st_ino, ())),
        )
    return found


def everything(root: Path) -> None:
    """One of each that a machine can leave."""
    for name in (
        "file",
        "acl",
        "many",
        "capable",
        "attributes",
        "set-uid",
        "old",
        "new",
        "huge-id",
        "sparse",
    ):
        (root / name).write_bytes(name.encode() * 1000)
    os.setxattr(root / "acl", "system.posix_acl_access", ONE_USER)
    os.setxattr(root / "many", "system.posix_acl_access", MANY)
    os.setxattr(root / "file", "system.posix_acl_access", MINIMAL)
    os.setxattr(
        root / "capable", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000")
    )
    for key, value in (("user.binary", bytes(range(256))), ("user.empty", b""), ("user.ä", b"\n=\0")):
        os.setxattr(root / "attributes", key, value)
    os.chown(root / "huge-id", 4_000_000_000, 3_000_000_000)
    (root / "set-uid").chmod(0o6755)
    os.utime(root / "old", (-86_400, -86_400))
    os.utime(root / "new", (EPOCH + 10**7, EPOCH + 10**7))
    os.truncate(root / "sparse", 1 << 20)
    (root / "linked").hardlink_to(root / "acl")
    (root / "directory" / ("n" * 200) / ("m" * 200)).mkdir(parents=True)
    (root / "directory" / ("n" * 200) / ("m" * 200) / os.fsdecode(b"\xff\xfe\n")).write_bytes(b"")
    (root / "directory").chmod(0o3771)
    os.setxattr(root / "directory", "system.posix_acl_default", ONE_USER)
    os.setxattr(root / "directory", "system.posix_acl_access", MANY)
    os.setxattr(root, "system.posix_acl_default", MANY)
    (root / "inherits").mkdir()
    (root / "link").symlink_to("/" + "t" * 300)
    os.chown(root / "link", 1, 2, follow_symlinks=False)
    os.mkfifo(root / "fifo")
    os.setxattr(root / "fifo", "system.posix_acl_access", ONE_USER)
    os.mknod(root / "device", 0o20620, os.makedev(1, 3))
    os.setxattr(root / "device", "system.posix_acl_access", ONE_USER)
    os.mknod(root / "block", 0o60640, os.makedev(259, 1_000_000))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket"))


@pytest.fixture
def sealed(bake: Bake) -> tuple[Path, bytes]:
    """A sealed tree and its tar."""
    everything(bake.upper)
    bake.seal()
    chunks: list[bytes] = []
    write_layer_tar([str(bake.upper)], lambda chunk: chunks.append(bytes(chunk)), epoch=EPOCH)
    return bake.upper, b"".join(chunks)


def assert_same(ours: Path, theirs: Path) -> None:
    before, after = looks(ours), looks(theirs)
    assert sorted(before) == sorted(after)
    for name, look in before.items():
        assert after[name] == look, name


def test_our_reader_unpacks_what_was_sealed(sealed: tuple[Path, bytes], tmp_path: Path) -> None:
    tree, content = sealed
    (tmp_path / "unpacked").mkdir()
    unpack_layer(io.BytesIO(content), str(tmp_path / "unpacked"))
    assert_same(tree, tmp_path / "unpacked")


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no GNU tar")
def test_another_reader_unpacks_what_was_sealed(sealed: tuple[Path, bytes], tmp_path: Path) -> None:
    tree, content = sealed
    target = tmp_path / "unpacked"
    target.mkdir()
    words = ["tar", "--extract", "--numeric-owner", "--same-owner", "--same-permissions", "--xattrs"]
    words += ["--xattrs-include=*", "--directory", str(target)]
    done = subprocess.run(words, input=content, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_same(tree, target)


def test_packing_what_was_unpacked_gives_the_same_bytes(sealed: tuple[Path, bytes], tmp_path: Path) -> None:
    _tree, content = sealed
    (tmp_path / "unpacked").mkdir()
    unpack_layer(io.BytesIO(content), str(tmp_path / "unpacked"))
    chunks: list[bytes] = []
    write_layer_tar([str(tmp_path / "unpacked")], lambda chunk: chunks.append(bytes(chunk)), epoch=EPOCH)
    assert b"".join(chunks) == content
