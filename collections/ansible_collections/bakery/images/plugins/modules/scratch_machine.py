#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make or remove a scratch directory that plays a machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scratch_machine
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Make or remove a scratch directory that plays a machine
description:
  - The machine of the null target, for tests of a pipeline without containers and without root.
  - B(Nothing isolates it.) Tasks run on this host, and one that writes C(/etc/motd) writes the host's. So a
    machine is refused unless the environment variable C(BAKERY_NULL_TARGET) is C(1).
extends_documentation_fragment:
  - bakery.images.home
  - bakery.images.machine_owner
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  id:
    description: Name of the machine. Not used with O(state=swept).
    type: str
  state:
    description:
      - Whether the machine exists.
      - V(swept) removes all machines whose owner is gone or whose time is over.
    type: str
    choices: [started, absent, swept]
    default: started
  parents:
    description: Ids of the layers it stands on, lowest first.
    type: list
    elements: str
    default: []
  image:
    description: Digest or name of an image to start from instead of O(parents).
    type: str
  epoch:
    description: Newest time (seconds since 1970) that anything baked may carry.
    type: int
    default: 0
  kept:
    description: Name under which a failed machine was kept; the new machine continues from there.
    type: str
    default: ''
  keep_as:
    description: With O(state=absent), keep the machine's directory under C(failed/) by this name.
    type: str
"""

EXAMPLES = r"""
- name: Make a scratch machine
  bakery.images.scratch_machine:
    home: /tmp/bakery
    id: web-1
    parents: [8c1f0a2b3c4d5e6f]
"""

RETURN = r"""
machine:
  description: How to reach the machine, as M(bakery.images.container_machine) returns it.
  returned: when O(state=started) and not in check mode
  type: dict
kept:
  description: Directory that holds what was kept.
  returned: when O(keep_as) is given and the machine existed
  type: str
swept:
  description: What was removed, or would be in check mode.
  returned: when O(state=swept)
  type: dict
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import remove_directory
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner
from ansible_collections.bakery.images.plugins.module_utils.scratch import (
    Scratch,
    ScratchWanted,
    describe_scratch,
)
from ansible_collections.bakery.images.plugins.module_utils.scratch_images import ScratchImages
from ansible_collections.bakery.images.plugins.module_utils.wire import OWNER_OPTIONS, run_module

# Also in the role's files/for-tests-only, for whoever offers target kinds to users.
PERMIT = "BAKERY_NULL_TARGET"


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure,
        argument_spec={
            "id": {"type": "str"},
            "state": {"type": "str", "choices": ["started", "absent", "swept"], "default": "started"},
            "parents": {"type": "list", "elements": "str", "default": []},
            "image": {"type": "str"},
            "epoch": {"type": "int", "default": 0},
            "kept": {"type": "str", "default": ""},
            "keep_as": {"type": "str"},
            **OWNER_OPTIONS,
        },
        mutually_exclusive=[("parents", "image")],
        required_if=[("state", "started", ["id"]), ("state", "absent", ["id"])],
    )


def ensure(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Bring the machine, or all of them, into O(state)."""
    of_state = {"started": ensure_started, "absent": ensure_absent, "swept": ensure_swept}
    return of_state[params["state"]](os.path.join(params["home"], "null"), params, apply=apply)


def refuse_unless_permitted() -> None:
    """MachineFailure unless the user said that roles may change this host."""
    if os.environ.get(PERMIT) != "1":
        raise MachineFailure(
            "the null target is for tests only: its roles run on this host, and one that writes /etc/motd "
            f"writes this host's; if no role names an absolute path, set {PERMIT}=1"
        )


def ensure_started(root: str, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Make the machine unless it exists."""
    refuse_unless_permitted()
    scratch = Scratch(root)
    journal = scratch.machines.find(params["id"])
    if journal is not None:
        return {"changed": False, "machine": describe_scratch(scratch, journal)}
    if not apply:
        return {"changed": True}
    parents = ScratchImages(root).layers(params["image"]) if params["image"] else tuple(params["parents"])
    wanted = ScratchWanted(
        machine_id=params["id"],
        parents=parents,
        epoch=params["epoch"],
        owner=Owner.from_wire(params["owner"]),
        ttl_s=params["ttl_s"],
        kept=params["kept"],
    )
    return {"changed": True, "machine": describe_scratch(scratch, scratch.launch(wanted))}


def ensure_absent(root: str, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Remove the machine, keeping its directory if wanted."""
    scratch = Scratch(root)
    journal = scratch.machines.find(params["id"])
    if journal is None or not apply:
        return {"changed": journal is not None}
    result: dict[str, Any] = {"changed": True}
    if params["keep_as"]:
        result["kept"] = scratch.keep(journal, params["keep_as"])
    scratch.discard(journal.id)
    return result


def ensure_swept(root: str, _params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Remove machines of the dead."""
    scratch = Scratch(root)
    dead = scratch.swept()
    directories = [os.path.join(scratch.machines.directory, name) for name in dead]
    if apply:
        for directory in directories:
            remove_directory(directory)
    swept = {"machines": dead, "mounts": [], "containers": [], "directories": directories}
    return {"changed": bool(dead), "swept": swept}


if __name__ == "__main__":
    main()
