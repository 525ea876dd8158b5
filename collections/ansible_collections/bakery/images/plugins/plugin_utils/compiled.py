# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Importing this makes the imports of this collection that follow use Python's cache of compiled code.

Ansible's own importer compiles every file of a collection in every process that needs it. A connection plugin
is needed in every task's worker, which is a fork of a process that does not need it: compiling took longer
there than the task. Python's own importer reads ``__pycache__``, and writes it where it may.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType

_OURS = "ansible_collections.bakery.images.plugins."
_FINDERS: dict[str, FileFinder] = {}


class CompiledFinder:
    """Finds modules of this collection's plugins where Ansible found their packages (a meta path finder)."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None for whatever is not a file of ours: the next finder is asked."""
        if not name.startswith(_OURS):
            return None
        for directory in path or ():
            if directory not in _FINDERS:
                _FINDERS[directory] = FileFinder(directory, (SourceFileLoader, [".py"]))
            spec = _FINDERS[directory].find_spec(name)
            if spec is not None and spec.loader is not None:  # a package of ours has no __init__.py
                return spec
        return None


if CompiledFinder not in sys.meta_path:
    sys.meta_path.insert(0, CompiledFinder)
