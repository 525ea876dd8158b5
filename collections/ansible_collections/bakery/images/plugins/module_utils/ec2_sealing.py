# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealing an image that boots by itself: what of the bake goes, and what stops writing before that.

The rules for layers hold here, too, but for what they take away because a container's engine has its own,
and for what the layers below would give back. The machine id is emptied and not, as ``cloud-init clean
--machine-id`` has it, marked as uninitialized: systemd would then take the next boot for the first one of
an installation, and enable services that a role has disabled (machine-id(5), "First Boot Semantics").
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import contents_program, ec2_sealing_program
from ansible_collections.bakery.images.plugins.module_utils.contents_rules import PATTERNS
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.machine_program import Asked, run_programs
from ansible_collections.bakery.images.plugins.module_utils.sealing_rules import (
    LOG_NAMES,
    LOGS_OF_THE_BAKE,
    RANDOM,
    ROTATED_LOGS,
    RULES,
    RUNTIME,
    Action,
    Rule,
)

# The comments of the bake's keys begin so.
KEY_COMMENT = "bakery:"
# A large image takes minutes to be read.
_TIMEOUT_S = 900
_LEASES = "what the network gave to the machine"
_CRASHES = "crashes of the machine"
_MACHINE_ONLY = "says which instance it is"

BOOTABLE_RULES: tuple[Rule, ...] = (
    *(rule for rule in RULES if rule.reason not in (RUNTIME, RANDOM) and rule.what != "run"),
    Rule("var/lib/dhcp", r".*\.leases?(~|\..*)?", Action.DROP, _LEASES),
    Rule("var/lib/dhclient", r".*\.leases?(~|\..*)?", Action.DROP, _LEASES),
    Rule("var/lib/dhcpcd", r".*\.lease6?", Action.DROP, _LEASES),
    Rule("var/lib/NetworkManager", r".*\.leases?|secret_key|timestamps|seen-bssids", Action.DROP, _LEASES),
    Rule("etc/udev/rules.d", r"70-persistent-net\.rules", Action.DROP, _MACHINE_ONLY),
    Rule("var/lib/amazon/ssm", r"i-.*", Action.DROP, _MACHINE_ONLY),
    Rule("var", r"crash", Action.CONTENTS, _CRASHES),
    Rule("var/lib/systemd", r"coredump", Action.CONTENTS, _CRASHES),
)

# Commands and whether they must succeed where they are installed. What would write once more when the
# machine stops is stopped now, or goes on in memory.
COMMANDS: tuple[tuple[tuple[str, ...], bool], ...] = (
    (("cloud-init", "clean", "--logs", "--seed"), True),
    (("systemctl", "stop", "syslog.socket", "rsyslog.service"), False),
    (("systemctl", "stop", "systemd-random-seed.service"), False),
    (("journalctl", "--relinquish-var"), False),
)


@dataclass(frozen=True)
class SealingAsked:
    """How to seal: the Python in the machine, whether only to count, absolute paths to leave as they are, and
    since when what is there is of interest (contents_program.describe).
    """

    interpreter: str
    apply: bool
    keep: tuple[str, ...] = ()
    since: float = 0.0


def seal_machine(exec_words: Sequence[str], by: SealingAsked) -> tuple[dict[str, int], dict[str, Any]]:
    """Seal the machine that the words lead into, and look at what is in it then.

    Returns how many entries were ``removed`` and ``emptied`` and how many ``keys`` were taken out, and the
    contents, in which ``sealed`` tells what was taken away. Where it only counts there are no contents.
    """
    asked: list[Asked] = [(ec2_sealing_program, request(apply=by.apply, keep=by.keep))]
    if by.apply:
        # In the same process: nobody may get in any more once the machine is sealed.
        asked.append((contents_program, {"leave_out": PATTERNS, "since": by.since}))
    try:
        answer, *looked = run_programs(exec_words, asked, interpreter=by.interpreter, timeout_s=_TIMEOUT_S)
    except MachineFailure as failure:
        raise MachineFailure(f"the machine cannot be sealed: {failure}") from failure
    return answer["counts"], {**looked[0], "sealed": answer["sealed"]} if looked else {}


def request(*, apply: bool, keep: Sequence[str] = ()) -> dict[str, Any]:
    """What the program in the machine is told."""
    return {
        "apply": apply,
        "keep": [path.strip("/") for path in keep],
        "logs": LOGS_OF_THE_BAKE,
        "former_logs": ROTATED_LOGS,
        "log_names": LOG_NAMES,
        "comment": KEY_COMMENT,
        "commands": COMMANDS,
        "rules": [(rule.where, rule.what, rule.action.value, rule.reason) for rule in BOOTABLE_RULES],
    }


def exec_words(directory: str) -> list[str]:
    """The words into the machine whose directory this is; see machine_reach."""
    path = os.path.join(directory, "reach.json")
    try:
        with open(path, encoding="utf-8") as source:
            words: list[str] = json.load(source)["exec"]
    except (OSError, ValueError, KeyError) as error:
        raise MachineFailure(f"the way into the machine is not in {path}; launch it again") from error
    return words
