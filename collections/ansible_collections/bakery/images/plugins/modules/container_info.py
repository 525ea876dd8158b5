#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report on layers: packages, files, differences."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_info
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Report on layers of images
description:
  - Tells the packages in a stack of layers and which role brought each, or how two stacks differ in
    packages and files, or all that is in a stack, to be compared with what is no layers.
  - Reads the layers' trees; starts nothing. Packages are those of dpkg.
extends_documentation_fragment:
  - bakery.images.home.container
  - bakery.images.home
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  layers:
    description: Ids of the layers, lowest first.
    type: list
    elements: str
    required: true
  other_layers:
    description: Ids of the layers to compare with, lowest first.
    type: list
    elements: str
  files:
    description: List the files of each layer, too. Without effect when O(other_layers) is given.
    type: bool
    default: false
  contents:
    description:
      - Tell C(contents) instead, as M(bakery.images.ec2_contents) does of an AMI. Without effect when
        O(other_layers) is given.
    type: bool
    default: false
  verify:
    description: Read every layer and fail if one no longer has the digest that it had when it was packed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Tell what sets two images apart
  bakery.images.container_info:
    home: /var/lib/bakery
    layers: [8c1f0a2b3c4d5e6f, 0a1b2c3d4e5f6071]
    other_layers: [8c1f0a2b3c4d5e6f, 5e6f70810a1b2c3d]
  register: difference
"""

RETURN = r"""
report:
  description: What is in the layers, or what sets the two stacks apart.
  returned: success
  type: dict
  contains:
    layers:
      description: Each layer with C(id), C(role), C(version), C(created_by), C(digest), C(size), C(files),
        C(packages), C(paths).
      returned: unless O(other_layers) or O(contents) is given
      type: list
      elements: dict
    contents:
      description:
        - What is in the stack. C(packages) has versions by name, C(package_roles) which role brought them in
          these, C(files) what is in layers of roles, as M(bakery.images.ec2_contents) has it, and C(roles) by
          path which role's layer that is.
      returned: when O(contents) is given
      type: dict
    packages:
      description:
        - Without O(other_layers) a list of C(name), C(version), C(layer) and C(role) of each package.
        - With it a dictionary of C(added), C(removed) and C(changed) packages, each with its C(role).
      type: raw
    files:
      description: Each path that differs with C(path), C(kind), C(change), C(what), C(role), C(layer) and
        C(before_layer).
      returned: when O(other_layers) is given
      type: list
      elements: dict
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.layer_contents import stack_contents
from ansible_collections.bakery.images.plugins.module_utils.layer_report import compare_stacks, describe_stack
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore
from ansible_collections.bakery.images.plugins.module_utils.packing import verify
from ansible_collections.bakery.images.plugins.module_utils.wire import run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        report,
        argument_spec={
            "layers": {"type": "list", "elements": "str", "required": True},
            "other_layers": {"type": "list", "elements": "str"},
            "files": {"type": "bool", "default": False},
            "contents": {"type": "bool", "default": False},
            "verify": {"type": "bool", "default": False},
        },
    )


def report(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Report on what is there; nothing is ever changed."""
    del apply
    store = LayerStore(os.path.join(params["home"], "container"))
    return {"changed": False, "report": report_on(store, params)}


def report_on(store: LayerStore, params: dict[str, Any]) -> dict[str, Any]:
    """The report that the options ask for."""
    layers, others = params["layers"], params["other_layers"]
    if params["verify"]:
        for layer_id in dict.fromkeys([*layers, *(others or ())]):
            verify(store, layer_id)
    if others is None and params["contents"]:
        return {"contents": stack_contents(store, layers)}
    if others is None:
        return describe_stack(store, layers, files=params["files"])
    return compare_stacks(store, layers, others)


if __name__ == "__main__":
    main()
