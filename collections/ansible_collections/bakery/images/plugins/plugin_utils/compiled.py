# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads files of this collection from Python's cache of compiled code.

Ansible's importer compiles every file of a collection in every process that needs it. A connection plugin is
needed in every task's worker, which is a fork of a process that does not need it: compiling took longer there
than the task. Python's own loader reads ``__pycache__``, and writes it where it may.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

_OURS = "ansible_collections.bakery.images.plugins."


def load_compiled(*names: str) -> None:
    """Load ``module_utils.NAME`` and ``plugin_utils.NAME`` for the imports that follow, each after those it
    imports itself.
    """
    for name in names:
        if _OURS + name not in sys.modules:
            _load(_OURS + name)


def _load(name: str) -> None:
    package_name, _dot, tail = name.rpartition(".")
    package = import_module(package_name)
    loader = SourceFileLoader(name, os.path.join(next(iter(package.__path__)), f"{tail}.py"))
    spec = spec_from_loader(name, loader)
    if spec is None:
        return  # whoever imports it finds out why
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    setattr(package, tail, module)
