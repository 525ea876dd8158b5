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
  volume:
    description: The root volume, where it shall differ from that of the image. Images of it inherit this.
    type: dict
    default: {}
    suboptions:
      size:
        description: Size in GiB, not less than in the image.
        type: int
      type:
        description: Volume type, such as V(gp3).
        type: str
      iops:
        description: Provisioned operations per second.
        type: int
      throughput:
        description: Provisioned throughput in MiB/s, for V(gp3).
        type: int
      encrypted:
        description: Whether it is encrypted.
        type: bool
      kms_key:
        description: Id, ARN or alias of the KMS key; the account's default one where it is left out.
        type: str
  launch:
    description:
      - Where and how an instance may be had.
      - All combinations of market, instance type and subnet are tried, in this order, until there is
        capacity and quota for one.
    type: dict
    default: {}
    suboptions:
      instance_types:
        description: Instance types; V(t3.small) or V(t4g.small), as the image's architecture demands.
        type: list
        elements: str
        default: []
      subnets:
        description: Ids of subnets of one VPC; those of the default VPC.
        type: list
        elements: str
        default: []
      market:
        description: Markets in order of preference.
        type: list
        elements: str
        choices: [on-demand, spot]
        default: [on-demand]
      security_groups:
        description:
          - Ids of security groups.
          - By default the machine has one of its own, for O(launch.caller_cidr).
        type: list
        elements: str
        default: []
      caller_cidr:
        description:
          - The network that ssh comes from, such as V(203.0.113.7/32), for the machine's own security group.
          - By default this host's address on the route to the subnet, which is right for
            O(launch.address=private) where no address translation is in between, and for a host with a
            public address.
          - V(checkip) asks C(https://checkip.amazonaws.com) for the address that the world sees.
          - Nobody is let in where O(launch.ssh.proxy_command) is given and this is not. That is enough for
            Session Manager; for an Instance Connect endpoint or a jump host write the network it is in.
        type: str
      address:
        description: Which address ssh connects to. With V(public) the instance is given one.
        type: str
        choices: [private, public]
        default: public
      instance_profile:
        description: Name or ARN of an instance profile for the instance.
        type: str
      ssh:
        description: How to log in.
        type: dict
        default: {}
        suboptions:
          user:
            description: The user, who needs sudo without a password unless it is V(root).
            type: str
            default: root
          port:
            description: Port of the instance's sshd.
            type: int
            default: 22
          proxy_command:
            description:
              - Shell command whose input and output lead to the instance's sshd; C(%h) is the id of the
                instance, C(%p) the port.
              - For example C(aws ssm start-session --target %h --document-name AWS-StartSSHSession
                --parameters portNumber=%p).
            type: str
      timeout_s:
        description: How long it may take until the machine can be used, in seconds.
        type: int
        default: 600
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
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_request import Login, Network, Volume, Wanted
from ansible_collections.bakery.images.plugins.module_utils.ec2_throwaway import Ec2Machines
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner
from ansible_collections.bakery.images.plugins.module_utils.wire import OWNER_OPTIONS, run_module

_VOLUME: dict[str, Any] = {
    "size": {"type": "int"},
    "type": {"type": "str"},
    "iops": {"type": "int"},
    "throughput": {"type": "int"},
    "encrypted": {"type": "bool"},
    "kms_key": {"type": "str", "no_log": False},  # the name of one
}
_SSH: dict[str, Any] = {
    "user": {"type": "str", "default": "root"},
    "port": {"type": "int", "default": 22},
    "proxy_command": {"type": "str"},
}
_WORDS: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
_LAUNCH: dict[str, Any] = {
    "instance_types": _WORDS,
    "subnets": _WORDS,
    "market": {**_WORDS, "choices": ["on-demand", "spot"], "default": ["on-demand"]},
    "security_groups": _WORDS,
    "caller_cidr": {"type": "str"},
    "address": {"type": "str", "choices": ["private", "public"], "default": "public"},
    "instance_profile": {"type": "str"},
    "ssh": {"type": "dict", "default": {}, "apply_defaults": True, "options": _SSH},
    "timeout_s": {"type": "int", "default": 600},
}


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure,
        argument_spec={
            "id": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "absent"], "default": "started"},
            "region": {"type": "str"},
            "image": {"type": "str"},
            "proof": {"type": "bool", "default": False},
            "role_set": {"type": "str"},
            "volume": {"type": "dict", "default": {}, "apply_defaults": True, "options": _VOLUME},
            "launch": {"type": "dict", "default": {}, "apply_defaults": True, "options": _LAUNCH},
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
    of_state = ensure_started if params["state"] == "started" else ensure_absent
    return of_state(Ec2Machines(root, aws), params, apply=apply)


def ensure_started(machines: Ec2Machines, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Launch the machine unless it runs already."""
    found = machines.find(params["id"])
    if found is not None:
        return {"changed": False, "machine": found}
    prepared = machines.prepare(_wanted(params))
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
    """Discard whatever there is by the machine's name."""
    if not apply:
        return {"changed": machines.exists(params["id"])}
    return {"changed": machines.discard(params["id"])}


def _journalled_region(root: str, machine_id: str) -> str | None:
    try:
        journal = Machines(root).find(machine_id)
    except MachineFailure:
        return None
    return journal.details.get("region") if journal else None


def _wanted(params: dict[str, Any]) -> Wanted:
    launch, ssh = params["launch"], params["launch"]["ssh"]
    return Wanted(
        machine_id=params["id"],
        image=params["image"],
        kind="image" if params["proof"] else "bake",
        instance_types=tuple(launch["instance_types"]),
        markets=tuple(launch["market"]),
        network=Network(
            subnets=tuple(launch["subnets"]),
            security_groups=tuple(launch["security_groups"]),
            caller_cidr=launch["caller_cidr"],
        ),
        login=Login(address=launch["address"], **ssh),
        volume=Volume(**params["volume"]),
        instance_profile=launch["instance_profile"],
        role_set=params["role_set"],
        owner=Owner.from_wire(params["owner"]),
        ttl_s=params["ttl_s"],
        timeout_s=launch["timeout_s"],
    )


if __name__ == "__main__":
    main()
