"""A tree with everything that makes layers hard, and a census of trees to compare them by."""

# ruff: noqa: PTH103, PTH115, PTH118, PTH123, PTH208, PTH211
# Names that are no text need os and bytes; pathlib has only str.

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

EPOCH = 1_700_000_000
# VFS_CAP_REVISION_2, cap_net_bind_service permitted and effective (linux/capability.h).
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
DEEP = b"/".join([b"d" * 200] * 17)


class Census(NamedTuple):
    """All of one path that an image must bring back."""

    kind: int
    mode: int
    owner: tuple[int, int]
    mtime: int
    size: int
    content: str
    device: int
    xattrs: tuple[tuple[str, bytes], ...]
    first_name: bytes


def write_lower(root: Path) -> None:
    """What the lower layer has, for the upper one to delete, replace, hide and change."""
    for name in ("kept", "deleted", "replaced", "emptied/inner", "dir-to-file"):
        (root / name).mkdir(parents=True)
        (root / name / "below").write_text(name)
    (root / "file-to-dir").write_text("a file")
    (root / "deleted-file").write_text("soon gone")
    (root / "chmodded").write_text("same content, other mode")
    (root / "linked").write_text("one inode")
    (root / "linked-too").hardlink_to(root / "linked")
    (root / "lib").symlink_to("kept")
    for path in [root, *root.rglob("*")]:
        os.utime(path, (EPOCH - 1000, EPOCH - 1000), follow_symlinks=False)
    root.chmod(0o755)


def write_upper(merged: Path) -> None:
    """Change the merged view in every way; the overlay records it in its upper directory."""
    _change_what_is_below(merged)
    _write_files(merged)
    _write_names(os.fsencode(merged))
    _write_specials(merged)
    _write_times(merged)


def _change_what_is_below(merged: Path) -> None:
    shutil.rmtree(merged / "deleted")
    (merged / "deleted-file").unlink()
    shutil.rmtree(merged / "replaced")
    (merged / "replaced").mkdir()
    (merged / "replaced" / "new").write_text("nothing else is here")
    shutil.rmtree(merged / "emptied")
    (merged / "emptied").mkdir()
    (merged / "file-to-dir").unlink()
    (merged / "file-to-dir").mkdir()
    (merged / "file-to-dir" / "inside").write_text("a directory now")
    shutil.rmtree(merged / "dir-to-file")
    (merged / "dir-to-file").write_text("a file now")
    (merged / "chmodded").chmod(0o4755)
    (merged / "kept" / "below").unlink()
    (merged / "kept" / "beside").write_text("the directory stays, its file went")
    (merged / "lib").unlink()
    (merged / "lib").mkdir()
    (merged / "lib" / "real").write_text("was a link")


def _write_files(merged: Path) -> None:
    for size in (0, 1, 511, 512, 513, 1 << 20, (1 << 20) + 1):
        (merged / f"size-{size}").write_bytes(b"x" * size)
    with (merged / "sparse").open("wb") as sparse:
        sparse.seek(5 << 20)
        sparse.write(b"after the hole")
        sparse.truncate(9 << 20)
    (merged / "links").mkdir()
    (merged / "z-origin").write_text("several names")
    for name in ("links/a", "links/b", "another"):
        (merged / name).hardlink_to(merged / "z-origin")
    os.setxattr(merged / "z-origin", "user.note", b"\x00\xff\n=binary\n12 3=4\n")
    (merged / "capable").write_text("#!/bin/true")
    os.setxattr(merged / "capable", "security.capability", CAPABILITY)
    (merged / "sticky").mkdir()
    os.chown(merged / "sticky", 65534, 3_000_000)
    (merged / "sticky").chmod(0o3777)
    os.setxattr(merged / "sticky", "user.dir", b"on a directory")
    (merged / "huge-ids").write_text("ids beyond seven octal digits")
    os.chown(merged / "huge-ids", 3_000_000_000, 4_000_000_000)


def _write_names(merged: bytes) -> None:
    names = [
        b"\xff\xfe not UTF-8", b"n" * 100, b"n" * 101, b"\xe9" * 200, b"n" * 255, "ünï-✓".encode(),
        b"new\nline",
        b" leading space", b"-dash", b"*", b"back\\slash", b"a.b", b"a-b", b".hidden", b".whatever", b"=",
    ]  # fmt: skip
    for name in names:
        with open(os.path.join(merged, name), "wb") as out:
            out.write(name)
    os.makedirs(os.path.join(merged, DEEP))
    with open(os.path.join(merged, DEEP, b"deepest"), "wb") as out:
        out.write(b"far down")
    os.link(os.path.join(merged, DEEP, b"deepest"), os.path.join(merged, DEEP, b"second name"))
    os.symlink(b"t" * 3000, os.path.join(merged, b"long-target"))
    os.symlink(b"\xff/dangling", os.path.join(merged, b"dangling"))
    os.symlink(b"/etc/passwd", os.path.join(merged, b"absolute"))


def _write_specials(merged: Path) -> None:
    os.mkfifo(merged / "fifo", 0o640)
    os.mknod(merged / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(merged / "disk", 0o660 | stat.S_IFBLK, os.makedev(259, 300_000))
    os.link(merged / "fifo", merged / "fifo-too")
    os.lchown(merged / "dangling", 12, 34)
    with socket.socket(socket.AF_UNIX) as listener:
        # Bound by a relative path, as Unix socket addresses are short.
        before = os.open(".", os.O_RDONLY)
        os.chdir(merged)
        try:
            listener.bind("socket")
        finally:
            os.fchdir(before)
            os.close(before)


def _write_times(merged: Path) -> None:
    for name, seconds in (
        ("before-1970", -300_000_000.25),
        ("future", 4_000_000_000.5),
        ("fraction", 1e9 + 0.75),
    ):
        (merged / name).write_text(name)
        os.utime(merged / name, (seconds, seconds))
    os.utime(merged / "links", (1_600_000_000, 1_600_000_000))


def census(root: Path, *, epoch: int | None = None) -> dict[bytes, Census]:
    """Every path below ``root`` and the root, except sockets; times as a layer of ``epoch`` has them."""
    statuses = dict(_walk(os.fsencode(root), b""))
    first_names: dict[int, bytes] = {}
    for path in sorted(statuses):
        first_names.setdefault(statuses[path].st_ino, path)
    return {
        path: _count(os.path.join(os.fsencode(root), path), status, first_names[status.st_ino], epoch)
        for path, status in statuses.items()
        if not stat.S_ISSOCK(status.st_mode)
    }


def _walk(root: bytes, path: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    here = os.path.join(root, path)
    yield path, os.lstat(here)
    for name in os.listdir(here):
        child = os.path.join(path, name)
        status = os.lstat(os.path.join(root, child))
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(root, child)
        else:
            yield child, status


def _count(path: bytes, status: os.stat_result, first_name: bytes, epoch: int | None) -> Census:
    kind = stat.S_IFMT(status.st_mode)
    content = ""
    if kind == stat.S_IFREG:
        with open(path, "rb") as source:
            content = hashlib.file_digest(source, "sha256").hexdigest()
    elif kind == stat.S_IFLNK:
        content = repr(os.readlink(path))
    mtime = status.st_mtime_ns // 1_000_000_000
    names = os.listxattr(path, follow_symlinks=False) if kind in (stat.S_IFREG, stat.S_IFDIR) else []
    xattrs = {n: os.getxattr(path, n) for n in names if n == "security.capability" or n.startswith("user.")}
    return Census(
        kind,
        stat.S_IMODE(status.st_mode),
        (status.st_uid, status.st_gid),
        mtime if epoch is None else max(min(mtime, epoch), 0),
        status.st_size if kind == stat.S_IFREG else 0,
        content,
        status.st_rdev if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0,
        tuple(sorted(xattrs.items())),
        first_name,
    )
