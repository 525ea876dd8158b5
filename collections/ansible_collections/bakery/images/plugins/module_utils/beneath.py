# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening what is in a tree that somebody else filled: nothing in it leads out of it or makes anybody wait.

Every path is resolved beneath the descriptor of a directory and no component of it may be a symbolic link
(openat2(2): RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS). Where the kernel has no openat2
(before Linux 5.6, or a seccomp profile from then), every component is opened on its own, with O_NOFOLLOW.
Devices and fifos are told by their status before they are opened: opening one may wait, or do something.

All functions raise OSError; its ``filename`` is the path beneath the directory, never one of the host.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: what is put in the place of a file between the look and the opening must not be waited for.
REGULAR = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPENAT2 = 437  # on every architecture that Python knows but alpha
_RESOLVE = 0x02 | 0x04 | 0x08  # NO_MAGICLINKS, NO_SYMLINKS, BENEATH: linux/openat2.h
_PATH_MAX = 4096
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EXDEV)
_NO_OPENAT2 = (errno.ENOSYS, errno.EPERM)


def open_beneath(directory: int, path: str | bytes, flags: int = REGULAR, *, mode: int = 0) -> int:
    """Open ``path`` beneath the descriptor ``directory``, as openat(2) would: ELOOP for a symbolic link.

    An absolute path and one that leaves the directory by ``..`` are EXDEV.
    """
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    raw = os.fsencode(path)
    if raw.startswith(b"/") or b".." in (parts := raw.split(b"/")):
        raise OSError(errno.EXDEV, "leads out of the tree", path)
    if len(parts) > 1 and len(raw) < _PATH_MAX and _has_openat2():
        return _openat2(directory, path, flags, mode=mode)
    return _open_by_components(directory, path, flags, mode=mode)


def open_directory(directory: int, path: str | bytes) -> int | None:
    """A descriptor of the directory ``path`` beneath ``directory``; None if there is none, or only a link."""
    return _unless_absent(directory, path, DIRECTORY)


def open_regular(directory: int, path: str | bytes, flags: int = REGULAR) -> int | None:
    """A descriptor of the regular file ``path`` beneath ``directory``, or None.

    None also when a component is a symbolic link or there is something else: that is never opened.
    """
    status = status_beneath(directory, path)
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    descriptor = _unless_absent(directory, path, flags | os.O_NONBLOCK | os.O_NOCTTY)
    if descriptor is not None and not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return descriptor


def read_small(directory: int, path: str | bytes, *, limit: int) -> bytes | None:
    """What is in the regular file ``path``, or None (see open_regular); EFBIG if it is over ``limit``."""
    descriptor = open_regular(directory, path)
    if descriptor is None:
        return None
    with os.fdopen(descriptor, "rb") as source:
        return read_limited(source.fileno(), limit=limit, path=path)


def read_limited(descriptor: int, *, limit: int, path: str | bytes) -> bytes:
    """All that is in an open file from where it stands; EFBIG, naming ``path``, if it is over ``limit``."""
    blocks = []
    left = limit + 1
    while left and (block := os.read(descriptor, min(left, 1 << 20))):
        blocks.append(block)
        left -= len(block)
    if not left:
        raise OSError(errno.EFBIG, f"larger than the {limit} bytes that are read of such a file", path)
    return b"".join(blocks)


def status_beneath(directory: int, path: str | bytes) -> os.stat_result | None:
    """What lstat(2) says of ``path`` beneath ``directory``; None if it is absent or a parent is a link."""
    descriptor = _unless_absent(directory, path, os.O_PATH)
    if descriptor is None:
        return None
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _unless_absent(directory: int, path: str | bytes, flags: int) -> int | None:
    try:
        return open_beneath(directory, path, flags)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise


class _OpenHow(ctypes.Structure):
    """``struct open_how`` of openat2(2)."""

    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def _openat2(directory: int, path: str | bytes, flags: int, *, mode: int) -> int:
    how = _OpenHow(flags, mode, _RESOLVE)
    descriptor: int = _syscall()(
        _OPENAT2, directory, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how)
    )
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return descriptor


@functools.cache
def _syscall() -> ctypes._NamedFuncPointer:
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    call.argtypes = [
        ctypes.c_long,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.POINTER(_OpenHow),
        ctypes.c_size_t,
    ]
    return call


@functools.cache
def _has_openat2() -> bool:
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(_openat2(root, ".", os.O_PATH | os.O_CLOEXEC, mode=0))
    except OSError as error:
        if error.errno in _NO_OPENAT2:
            return False
        raise
    finally:
        os.close(root)
    return True


def _open_by_components(directory: int, path: str | bytes, flags: int, *, mode: int) -> int:
    *parents, name = [part for part in os.fsencode(path).split(b"/") if part not in (b"", b".")] or [b"."]
    current = directory
    try:
        for part in parents:
            deeper = os.open(part, DIRECTORY, dir_fd=current)
            if current != directory:
                os.close(current)
            current = deeper
        return os.open(name, flags, mode, dir_fd=current)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        if current != directory:
            os.close(current)
