#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch or discard a throwaway EC2 instance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_machine
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Launch or discard a throwaway EC2 instance
description:
  - Launches an EC2 instance from an image, with a user key and a host key that are made for it alone, and
    waits until ssh lets us in and cloud-init has done its work.
  - Whatever goes wrong on the way, and if it is interrupted, all that was made is removed again.
  - Every resource carries its tags from the moment it exists, C(bakery:machine) and C(bakery:expires) among
    them, so that O(state=absent) and the sweep find it in the account whatever is lost here.
  - The instance ends itself after O(ttl_s), even if nobody is left to ask for it.
  - No key pair is made in the account, and instance metadata is served by IMDSv2 only.
  - Credentials, and an endpoint of one's own, are found as boto3 finds them, for example in E(AWS_PROFILE).
extends_documentation_fragment:
  - bakery.images.home
  - bakery.images.machine_owner
  - bakery.images.ec2_launch
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
requirements:
  - boto3
  - ssh and ssh-keygen of OpenSSH
options:
  id:
    description: Name of the machine, unique in the account and region.
    type: str
    required: true
  state:
    description: Whether the machine runs or does not exist.
    type: str
    choices: [started, absent]
    default: started
  wait:
    description:
      - With O(state=absent), wait until the instance is gone, and remove all that belongs to the machine.
      - Without it, have the instance end and leave it at that. It costs nothing then, but its security group
        can only be deleted once it is gone, so ask for O(state=absent) once more.
    type: bool
    default: true
  region:
    description: The region. By default the one that the machine was launched in, or boto3's own.
    type: str
  image:
    description: Id of the image to launch. Needed to start a machine.
    type: str
  proof:
    description:
      - Fail unless the instance of O(image) came up as a new machine. cloud-init must have run for this very
        instance, machine id and host keys must be made by this boot, and no key of another machine of bakery
        may be let in.
      - Without it, services that would disturb provisioning (such as C(apt-daily)) are kept from starting.
    type: bool
    default: false
  role_set:
    description: Name of the role set that the machine is for, a tag.
    type: str
  image_name:
    description:
      - The name that the machine's image will have, if one was chosen.
      - Fails before anything is made if another image has it, here or in one of O(image_regions).
    type: str
    default: ''
  image_regions:
    description:
      - The regions that get a copy of the machine's image, each with a dictionary that may have C(kms_key)
        and C(encrypted), as with M(bakery.images.ec2_image_copy).
    type: dict
    default: {}
  image_shared:
    description:
      - Whether others are to use the image and its copies.
      - Fails before anything is made if O(volume) or a copy would be under a key that AWS manages, with which
        nothing can be shared.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Launch a throwaway instance, where there is one to be had
  bakery.images.ec2_machine:
    home: /var/lib/bakery
    id: web-1
    region: eu-central-1
    image: ami-0123456789abcdef0
    launch:
      instance_types: [t3.small, t3a.small]
      subnets: [subnet-0aaaaaaaaaaaaaaaa, subnet-0bbbbbbbbbbbbbbbb]
      market: [spot, on-demand]
      caller_cidr: 203.0.113.7/32
  register: launched

- name: Discard it
  bakery.images.ec2_machine:
    home: /var/lib/bakery
    id: web-1
    region: eu-central-1
    state: absent
"""

RETURN = r"""
machine:
  description: How to reach the machine.
  returned: when O(state=started) and not in check mode
  type: dict
  contains:
    id:
      description: Name of the machine.
      type: str
    kind:
      description: Target kind.
      type: str
    hostvars:
      description: Variables for C(ansible.builtin.add_host).
      type: dict
    exec:
      description: Words of a command; words appended to it run in the machine as root.
      type: list
      elements: str
    shell:
      description: Words of a command that opens a shell in the machine.
      type: list
      elements: str
    root:
      description: Always V(null), because the machine's tree is not on this host.
      type: str
    address:
      description: What ssh connects to.
      type: str
    failed_units:
      description: Units of systemd that failed while the machine booted.
      type: list
      elements: str
instance:
  description: The instance that the machine is.
  returned: when a machine was launched
  type: dict
  contains:
    id:
      description: Id of the instance.
      type: str
    type:
      description: Its type.
      type: str
    image:
      description: Id of its image.
      type: str
    zone:
      description: Its availability zone.
      type: str
    market:
      description: V(on-demand) or V(spot).
      type: str
    private_address:
      description: Its address in its VPC.
      type: str
    public_address:
      description: Its address in the world, if it has one.
      type: str
attempts:
  description: What was tried in order; the last one was started.
  returned: when a machine was launched, and in check mode
  type: list
  elements: dict
  contains:
    attempt:
      description: The attempt in words.
      type: str
    instance_type:
      description: Instance type.
      type: str
    market:
      description: V(on-demand) or V(spot).
      type: str
    subnet:
      description: Id of the subnet.
      type: str
    zone:
      description: Availability zone of the subnet.
      type: str
    outcome:
      description: V(started), or the error code of EC2; V(planned) in check mode.
      type: str
"""

import os
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_options import LAUNCH_OPTIONS, wanted_of
from ansible_collections.bakery.images.plugins.module_utils.ec2_preparation import Intent, prepare
from ansible_collections.bakery.images.plugins.module_utils.ec2_throwaway import Ec2Machines
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner
from ansible_collections.bakery.images.plugins.module_utils.wire import OWNER_OPTIONS, run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure,
        argument_spec={
            "id": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "absent"], "default": "started"},
            "wait": {"type": "bool", "default": True},
            "region": {"type": "str"},
            "image": {"type": "str"},
            "proof": {"type": "bool", "default": False},
            "role_set": {"type": "str"},
            "image_name": {"type": "str", "default": ""},
            "image_regions": {"type": "dict", "default": {}},
            "image_shared": {"type": "bool", "default": False},
            **LAUNCH_OPTIONS,
            **OWNER_OPTIONS,
        },
        required_if=[("state", "started", ("image",))],
    )


def ensure(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Start or discard the machine, as O(state) says."""
    root = os.path.join(params["home"], "ec2")
    # What is to go is where it was launched, wherever the next one would be.
    journalled = _journalled_region(root, params["id"]) if params["state"] == "absent" else None
    aws = Aws(journalled or params["region"])
    machines = Ec2Machines(root, aws)
    if params["state"] == "absent":
        return ensure_absent(machines, params, apply=apply)
    return ensure_started(aws, machines, params, apply=apply)


def ensure_started(aws: Aws, machines: Ec2Machines, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Launch the machine unless it runs already."""
    found = machines.find(params["id"])
    if found is not None:
        return {"changed": False, "machine": found}
    prepared = prepare(
        aws,
        replace(
            wanted_of(params, params["id"], image=params["image"]),
            kind="image" if params["proof"] else "bake",
            role_set=params["role_set"],
            owner=Owner.from_wire(params["owner"]),
            ttl_s=params["ttl_s"],
        ),
        Intent(name=params["image_name"], regions=params["image_regions"], shared=params["image_shared"]),
    )
    if not apply:
        return {"changed": True, "attempts": [attempt.told("planned") for attempt in prepared.plan]}
    launched = machines.launch(prepared)
    return {
        "changed": True,
        "machine": launched.machine,
        "instance": launched.instance,
        "attempts": list(launched.attempts),
        "warnings": list(launched.warnings),
    }


def ensure_absent(machines: Ec2Machines, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Discard whatever there is by the machine's name, or have at least its instance end."""
    machine_id = params["id"]
    if not params["wait"]:
        return {"changed": machines.release(machine_id) if apply else machines.costs(machine_id)}
    if not apply:
        return {"changed": machines.exists(machine_id)}
    discarded = machines.discard(machine_id)
    return {"changed": discarded.found, "warnings": list(discarded.warnings)}


def _journalled_region(root: str, machine_id: str) -> str | None:
    try:
        journal = Machines(root).find(machine_id)
    except MachineFailure:
        return None
    return journal.details.get("region") if journal else None


if __name__ == "__main__":
    main()
