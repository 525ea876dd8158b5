#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what became of the instances of throwaway machines."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_machine_info
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Tell what became of the instances of throwaway machines
description:
  - Looks for the instances that were launched for machines, as long as EC2 tells of them, which is about an
    hour after they ended.
extends_documentation_fragment:
  - bakery.images.ec2
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  ids:
    description: Names of the machines.
    type: list
    elements: str
    required: true
seealso:
  - module: bakery.images.ec2_machine
"""

EXAMPLES = r"""
- name: Look whether the machine ended by itself
  bakery.images.ec2_machine_info:
    region: eu-central-1
    ids: [web-1]
  register: looked
"""

RETURN = r"""
instances:
  description: The instances of the machines.
  returned: success
  type: list
  elements: dict
  contains:
    machine:
      description: Name of the machine.
      type: str
    id:
      description: Id of the instance.
      type: str
    state:
      description: State of the instance, such as V(terminated).
      type: str
    market:
      description: V(on-demand) or V(spot).
      type: str
    reason:
      description: Why it is in that state, in EC2's words, or empty.
      type: str
    uncalled:
      description: Whether it ended, or stopped, though nobody asked EC2 for that.
      type: bool
    reclaimed:
      description: Whether EC2 took a spot instance back.
      type: bool
lost:
  description: What to tell of the first instance that ended though nobody asked EC2 to end it, or empty.
  returned: success
  type: str
reclaimed:
  description: Whether EC2 took a spot instance back.
  returned: success
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_instance import what_became_of
from ansible_collections.bakery.images.plugins.module_utils.wire import REGION_OPTION, run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        look,
        common=REGION_OPTION,
        argument_spec={"ids": {"type": "list", "elements": "str", "required": True}},
    )


def look(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:  # noqa: ARG001  # nothing is changed
    """Look at all of them."""
    aws = Aws(params["region"])
    instances = [one for machine_id in params["ids"] for one in what_became_of(aws, machine_id)]
    lost = [one for one in instances if one["uncalled"]]
    return {
        "changed": False,
        "instances": instances,
        "lost": _told(lost[0]) if lost else "",
        "reclaimed": any(one["reclaimed"] for one in lost),
    }


def _told(instance: dict[str, Any]) -> str:
    if instance["reclaimed"]:
        return f"EC2 took the spot instance {instance['id']} back"
    return f"instance {instance['id']} is {instance['state']} by itself: {instance['reason']}"


if __name__ == "__main__":
    main()
