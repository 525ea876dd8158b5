# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module options that several modules take, as argument specifications."""

from __future__ import annotations

from typing import Any

OWNER_OPTIONS: dict[str, Any] = {
    "owner": {
        "type": "dict",
        "options": {
            "bake": {"type": "str", "default": ""},
            "pid": {"type": "int", "required": True},
            "start": {"type": "int", "required": True},
            "boot": {"type": "str", "required": True},
        },
    },
    "ttl_s": {"type": "int", "default": 86400},
}
