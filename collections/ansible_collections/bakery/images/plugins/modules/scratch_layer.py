#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Freeze a scratch machine as a layer, or make an empty base."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scratch_layer
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Freeze a scratch directory as a layer
description:
  - Freezes the directory of a machine that M(bakery.images.scratch_machine) made, and removes the machine.
  - With O(base) it makes an empty layer to start from instead, once.
extends_documentation_fragment:
  - bakery.images.home
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  machine_id:
    description: Name of the machine to freeze.
    type: str
  base:
    description: Name of a base to make instead.
    type: str
  role:
    description: Role that made the layer.
    type: str
    default: ''
  version:
    description: Version of that role.
    type: str
    default: ''
  created_by:
    description: What the image's history says about the layer.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Freeze what the role did
  bakery.images.scratch_layer:
    home: /tmp/bakery
    machine_id: web-1
    role: nginx
"""

RETURN = r"""
layer:
  description: The layer, as M(bakery.images.container_layer) returns it.
  returned: when O(machine_id) is given and not in check mode
  type: dict
base:
  description: The base, as M(bakery.images.container_base) returns it.
  returned: when O(base) is given and it exists
  type: dict
"""

import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.scratch import Scratch
from ansible_collections.bakery.images.plugins.module_utils.wire import run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure,
        argument_spec={
            "machine_id": {"type": "str"},
            "base": {"type": "str"},
            "role": {"type": "str", "default": ""},
            "version": {"type": "str", "default": ""},
            "created_by": {"type": "str", "default": ""},
        },
        mutually_exclusive=[("machine_id", "base")],
        required_one_of=[("machine_id", "base")],
    )


def ensure(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Freeze the machine, or see to the base."""
    make = freeze if params["machine_id"] else ensure_base
    return make(Scratch(os.path.join(params["home"], "null")), params, apply=apply)


def freeze(scratch: Scratch, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Freeze the machine."""
    journal = scratch.machines.get(params["machine_id"])
    if not apply:
        return {"changed": True}
    about = {name: params[name] for name in ("role", "version", "created_by")}
    return {"changed": True, "layer": scratch.freeze(journal, about)}


def ensure_base(scratch: Scratch, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Find the empty base or make it; it has the same content whatever its name."""
    about = {"role": None, "version": None, "created_by": "bakery base null", "parents": []}
    for layer_id in scratch.store.ids():
        record = scratch.store.record(layer_id)
        if record.get("created_by") == about["created_by"]:
            return {"changed": False, "base": _base(params["base"], record)}
    if not apply:
        return {"changed": True}
    scratch.store.ensure()
    with tempfile.TemporaryDirectory(dir=scratch.store.root, suffix=".partial") as directory:
        tree = os.path.join(directory, "tree")
        os.mkdir(tree, 0o755)
        return {"changed": True, "base": _base(params["base"], scratch.commit(tree, about))}


def _base(name: str, layer: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "layers": [{key: layer.get(key) for key in ("id", "digest", "size", "files", "created_by")}],
        "digest": layer["digest"],
        "epoch": 0,
        "architecture": "any",
        "systemd": False,
        "config": {},
        "resolved": "null",
        "created": "1970-01-01T00:00:00Z",
    }


if __name__ == "__main__":
    main()
