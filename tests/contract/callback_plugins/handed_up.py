"""Writes what the steps handed up through set_stats to the file named by HANDED_UP."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: handed_up
type: aggregate
short_description: Write custom stats to a file
description: For tests.
"""


class CallbackModule(CallbackBase):
    """Looks at the end of the run only."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "handed_up"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_stats(self, stats: Any) -> None:
        custom = stats.custom.get("_run", {}).get("bakery", {})
        Path(os.environ["HANDED_UP"]).write_text(json.dumps(custom), encoding="utf-8")
