# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack of layers shows in a directory: overlay's merged view, without a mount or a followed link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ansible_collections.bakery.images.plugins.module_utils.beneath import open_regular
from ansible_collections.bakery.images.plugins.module_utils.directory_chain import Directory
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import (
    is_opaque,
    is_whiteout,
    opened,
)


@dataclass(frozen=True)
class Shown:
    """Something that the layers show: ``name`` in the open directory ``parent``."""

    parent: int
    name: str
    status: os.stat_result

    def open_regular(self) -> int | None:
        """A descriptor for reading, None if it is no regular file."""
        return open_regular(self.parent, self.name)


class LowerView:
    """The directories that the layers have in one place, highest first; none if nothing shows there."""

    def __init__(self, directories: Sequence[Directory] = ()) -> None:
        self._directories = tuple(directories)

    def at(self, name: str) -> Shown | None:
        """What is shown by that name."""
        for directory in self._directories:
            try:
                status = os.stat(name, dir_fd=directory.descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            return None if is_whiteout(status) else Shown(directory.descriptor, name, status)
        return None

    def enter(self, name: str) -> LowerView:
        """What is shown in the directory of that name; what is no directory ends the merge."""
        merged: list[Directory] = []
        for directory in self._directories:
            try:
                merged.append(directory.enter(name))
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    break
                raise
            if is_opaque(merged[-1].descriptor):
                break
        return LowerView(merged)

    def has_file(self, name: str, *, over: int) -> bool:
        """Whether something of that name that is no directory is in the open directory ``over``, or shown."""
        try:
            status = os.stat(name, dir_fd=over, follow_symlinks=False)
        except FileNotFoundError:
            shown = self.at(name)
            return shown is not None and not stat.S_ISDIR(shown.status.st_mode)
        return not (is_whiteout(status) or stat.S_ISDIR(status.st_mode))

    def leave(self) -> None:
        """Be in the directory above again."""
        for directory in self._directories:
            directory.leave()

    def close(self) -> None:
        """Give the walk up here."""
        for directory in self._directories:
            directory.close()


@contextmanager
def lower_view(trees: Sequence[str]) -> Iterator[LowerView]:
    """The view of the layers' trees, highest first, at their root. StoreError if one cannot be opened."""
    with ExitStack() as stack:
        yield LowerView([Directory(stack.enter_context(opened(tree))) for tree in trees])
