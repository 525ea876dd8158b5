# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to reach a machine, for whoever finds its directory: ``machines/<id>/reach.json``.

``exec`` are words that have the words after them run in the machine. ``program`` is null, or a Python file
for whoever runs many commands: its ``CommandServer``, made of those words, runs each without entering anew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    canonical_json,
    write_atomically,
)


def write_reach(directory: str, exec_words: Sequence[str], program: str | None = None) -> None:
    """Write the file for the machine in ``directory``."""
    reach = {"exec": list(exec_words), "program": program}
    write_atomically(os.path.join(directory, "reach.json"), canonical_json(reach) + b"\n")
