# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlay mounts: layers below, one writable upper directory above (kernel: filesystems/overlayfs.rst)."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator, Sequence

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

# Device nodes of an image or a role stay nodes in it; as with podman's own storage, nothing opens them.
_MS_NODEV = 1 << 2
_MS_PRIVATE = 1 << 18
_MNT_DETACH = 2
_PARAMETERS = "/sys/module/overlay/parameters"
# A layer's tar is made of its upper directory alone. Each of these features puts state there that has a
# meaning only together with the lower directories, so all are off. "volatile" is wanted: it leaves out
# every fsync, and a tree damaged by a power failure is found by its digest.
_FEATURES = ("index", "redirect_dir", "metacopy", "xino")
_PAGE = 4096


def mount_overlay(directory: str, lowerdirs: Sequence[str], *, at: str, upper: str, work: str) -> None:
    """Mount ``lowerdirs`` (highest first, relative to ``directory``) under ``upper`` at ``at``.

    Relative paths keep a hundred layers below the one page that mount(2) passes to the kernel.
    """
    places = f"lowerdir={':'.join(lowerdirs)},upperdir={_escaped(upper)},workdir={_escaped(work)}"
    first_error = None
    for extra in _option_sets():
        options = places + "".join(f",{option}" for option in extra)
        if len(os.fsencode(options)) >= _PAGE:
            raise MachineFailure(
                f"cannot mount {len(lowerdirs)} layers: their names exceed the kernel's {_PAGE} bytes; "
                "use fewer roles in a row or a shorter home directory"
            )
        error = _mount(directory, at, options)
        if error == 0:
            _libc().mount(None, os.fsencode(at), None, _MS_PRIVATE, None)
            return
        first_error = first_error or error
        if error != errno.EINVAL:
            break
    raise MachineFailure(_mount_failure(at, first_error or errno.EINVAL))


def unmount(path: str) -> None:
    """Unmount whatever is mounted at or below ``path``, deepest first; nothing mounted is no error."""
    for point in mounts_below(path):
        if _umount(point, 0) in (0, errno.EINVAL, errno.ENOENT):
            continue
        # Somebody looks at the tree, with a shell for example; nobody in the machine writes any more.
        error = _umount(point, _MNT_DETACH)
        if error not in (0, errno.EINVAL, errno.ENOENT):
            raise MachineFailure(f"cannot unmount {point}: {os.strerror(error)}")


def mounts_below(path: str) -> list[str]:
    """Mount points at or below ``path`` in this mount namespace, deepest and latest first (proc(5))."""
    path = os.path.realpath(path)
    prefix = path.rstrip("/") + "/"
    with open("/proc/self/mountinfo", "rb") as source:
        points = [unescaped(line.split()[4]) for line in source]
    inside = [point for point in points if point == path or point.startswith(prefix)]
    return inside[::-1]


def copy_root_attributes(source: str, upper: str) -> None:
    """Give a new upper directory the owner, mode and time of the root below it, as a copy-up would."""
    stat = os.stat(source)
    os.chown(upper, stat.st_uid, stat.st_gid)
    os.chmod(upper, stat.st_mode & 0o7777)
    os.utime(upper, ns=(stat.st_mtime_ns, stat.st_mtime_ns))


def _option_sets() -> list[list[str]]:
    """Option lists to try in order: everything the kernel says it knows, then less."""
    if os.path.isdir(_PARAMETERS):
        features = [f"{name}=off" for name in _FEATURES if os.path.exists(f"{_PARAMETERS}/{name}")]
    else:
        features = [f"{name}=off" for name in _FEATURES]
    return [[*features, "volatile"], features, []]


def _mount(directory: str, at: str, options: str) -> int:
    with _working_directory(directory):
        code = _libc().mount(b"bakery", os.fsencode(at), b"overlay", _MS_NODEV, os.fsencode(options))
        return ctypes.get_errno() if code else 0


def _umount(point: str, flags: int) -> int:
    return ctypes.get_errno() if _libc().umount2(os.fsencode(point), flags) else 0


@contextlib.contextmanager
def _working_directory(directory: str) -> Iterator[None]:
    before = os.open(".", os.O_PATH | os.O_DIRECTORY)
    try:
        os.chdir(directory)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount.argtypes = (
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_ulong,
        ctypes.c_char_p,
    )
    return libc


def _escaped(path: str) -> str:
    return "".join(f"\\{letter}" if letter in ",:\\" else letter for letter in path)


def unescaped(field: bytes) -> str:
    """Undo the octal escapes of mountinfo (space, tab, newline, in options also comma; backslash)."""
    for code in (b"\\040", b"\\011", b"\\012", b"\\054", b"\\134"):
        field = field.replace(code, bytes([int(code[1:], 8)]))
    return os.fsdecode(field)


def _mount_failure(at: str, error: int) -> str:
    if error == errno.EPERM:
        return "cannot mount the machine's file system: root is needed; run bakery as root"
    if error == errno.ENODEV:
        return "this kernel has no overlay file system; load the module 'overlay'"
    return f"cannot mount the machine's file system at {at}: {os.strerror(error)}"
