# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user must be allowed to do to make machines: one place to change when it becomes less."""

from __future__ import annotations

import os

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure


def require_root(what: str) -> None:
    """Refuse to do ``what`` as an ordinary user: mounts, device nodes and files of other owners need root."""
    if os.geteuid() != 0:
        raise MachineFailure(f"{what} needs root, and this is user {os.geteuid()}; run it with sudo")
