# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which extended attributes are part of an image: all that a machine can set.

In a layer's tar they are ``SCHILY.xattr.NAME`` with the kernel's own bytes, which podman, buildah, moby and
umoci set again when they unpack. Those of an ACL, ``system.posix_acl_*``, hold numeric ids, which the kernel
translates into the user namespace of who sets them (acl(5), xattr(7)). All others need CAP_SYS_ADMIN, which
no machine has: they are what the host's kernel, its security policy or its overlay say of a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

_KEPT = frozenset({"security.capability", "system.posix_acl_access", "system.posix_acl_default"})


def is_kept(name: str) -> bool:
    """Whether an attribute of that name is part of an image."""
    return name in _KEPT or name.startswith("user.")


def kept_attributes(file: int, names: Iterable[str] | None = None) -> dict[str, bytes]:
    """The attributes of an open file or directory that are part of an image; ``names`` it has, if known."""
    found = os.listxattr(file) if names is None else names
    return {name: os.getxattr(file, name) for name in found if is_kept(name)}


def kept_attributes_in(directory: int, name: bytes) -> dict[str, bytes]:
    """The same for what must not be opened, such as a device, called ``name`` in an open directory."""
    # There is no call for a name in a directory; the way through /proc leads to the directory itself.
    path = os.fsencode(f"/proc/self/fd/{directory}/") + name
    return {
        attribute: os.getxattr(path, attribute, follow_symlinks=False)
        for attribute in os.listxattr(path, follow_symlinks=False)
        if is_kept(attribute)
    }
