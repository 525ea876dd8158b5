# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several modules have in common on their way in and out: options, and what a failure says."""

from __future__ import annotations

from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerCorrupt

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


def failure(error: Exception) -> dict[str, Any]:
    """The arguments of ``fail_json``: a sentence and, for a caller that can mend it, what the trouble is."""
    result: dict[str, Any] = {"msg": str(error)}
    if isinstance(error, LayerCorrupt):
        result["bakery_error"] = {"kind": "layer_corrupt", "layer": error.layer_id}
    return result
