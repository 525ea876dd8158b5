# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a warm executor is started with: its program, and this controller's ``ansible.module_utils``."""

from __future__ import annotations

import inspect
import json
import os
import zlib

import ansible.module_utils
from ansible.release import __author__, __version__
from ansible_collections.bakery.images.plugins.module_utils import executor_program

# Reads the length of the program, the program, and leaves the rest of the input to it.
BOOTSTRAP = (
    "import sys;s=sys.stdin.buffer;p=s.read(int(s.readline()));"
    "n={'__name__':'bakery_executor','__builtins__':__builtins__};"
    "exec(compile(p,'bakery_executor','exec'),n);n['main'](s)"
)
_EXTEND = "from pkgutil import extend_path\n__path__=extend_path(__path__,__name__)\n"
_FOREIGN = frozenset({"powershell", "csharp"})


def boot_input(*, interpreter: str, idle_s: float) -> bytes:
    """Standard input of an executor that listens at a path of its own; see ``executor_program.main``.

    ``interpreter`` is what requests call the Python that it runs on.
    """
    program = inspect.getsource(executor_program).encode()
    record = json.dumps({"interpreter": interpreter, "idle_s": idle_s}).encode()
    return b"%d\n" % len(program) + program + record + b"\n"


def bundle() -> bytes:
    """This controller's module_utils, for a request LOAD."""
    return zlib.compress(json.dumps(_module_utils()).encode(), 1)


def _module_utils() -> dict[str, str]:
    """The files of module_utils as payloads carry them, the two that Ansible writes itself included."""
    root = os.path.dirname(ansible.module_utils.__file__)
    files: dict[str, str] = {}
    for directory, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _FOREIGN and name != "__pycache__"]
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(directory, name)
                # As bytes would be: payloads are compared byte for byte.
                with open(path, encoding="utf-8", errors="surrogateescape", newline="") as source:
                    files[f"ansible/module_utils/{os.path.relpath(path, root)}"] = source.read()
    files["ansible/module_utils/__init__.py"] = _EXTEND
    files["ansible/__init__.py"] = f'{_EXTEND}__version__="{__version__}"\n__author__="{__author__}"\n'
    return files
