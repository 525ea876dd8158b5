#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what baking an AMI would take, without doing it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_estimate
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Tell what baking an AMI would take, without doing it
description:
  - Looks up what a bake needs (the base, subnets, the address to let in) and tells what would be launched,
    which calls would be made and what would be billed. Nothing is changed.
  - Fails as the bake would where that can be known before, for example without credentials.
  - Quantities are told, no prices; they come from how long the last bake took.
extends_documentation_fragment:
  - bakery.images.ec2
  - bakery.images.ec2_launch
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  base:
    description:
      - Where the base comes from; one of V(id), V(name) and V(ssm), as with M(bakery.images.ec2_image_info).
    type: dict
    required: true
    suboptions:
      id:
        description: Id of an AMI in the region.
        type: str
      name:
        description: Name of the AMI, with C(*) and C(?) as wildcards. Needs O(base.owner).
        type: str
      owner:
        description: Account id of the owner, or V(amazon), V(aws-marketplace) or V(self).
        type: str
      ssm:
        description: Name of an SSM parameter that holds the id of an AMI.
        type: str
      architecture:
        description: V(amd64) or V(arm64).
        type: str
      deprecated:
        description: Take a deprecated AMI too, if it is the newest one with O(base.name).
        type: bool
        default: false
  name:
    description: Name of the image, if it is not to be made of O(role_set) and O(fingerprint).
    type: str
    default: ''
  role_set:
    description: The role set that would be baked.
    type: str
    default: ''
  fingerprint:
    description: Fingerprint of its inputs, if the base is known.
    type: str
    default: ''
  last_s:
    description: How long the last bake took, in seconds.
    type: float
  made:
    description: Whether the image is there already, or may be, so that it has its name.
    type: bool
    default: false
  regions:
    description: Other regions that get a copy, as M(bakery.images.ec2_image_copy) takes them.
    type: dict
    default: {}
  accounts:
    description: Accounts that may use the image.
    type: list
    elements: str
    default: []
  organizations:
    description: Organizations that may use it, by ARN.
    type: list
    elements: str
    default: []
  organizational_units:
    description: Organizational units that may use it, by ARN.
    type: list
    elements: str
    default: []
  deprecate_after_days:
    description: Days after which the image would become deprecated.
    type: int
  protect:
    description: Whether the image would be protected from being deregistered.
    type: bool
    default: false
seealso:
  - module: bakery.images.ec2_machine
  - module: bakery.images.ec2_image
"""

EXAMPLES = r"""
- name: Ask what a bake of web would take
  bakery.images.ec2_estimate:
    region: eu-central-1
    base:
      owner: "136693071363"
      name: debian-12-amd64-*
    role_set: web
    launch:
      instance_types: [t3.small]
      market: [spot, on-demand]
    regions:
      eu-west-1: {}
  register: estimated
"""

RETURN = r"""
estimate:
  description:
    - What the bake would take; C(region), C(base), the C(attempts) to launch in their order, C(lets_in) (a
      network or V(null)) or C(security_groups), C(volume), the possible C(names) of the image, its
      C(regions) and C(audience).
    - C(calls) are those that change something, with C(action) and C(times).
    - C(billed) has C(what), C(unit) and C(quantity), which is V(null) where it depends on how long a first
      bake takes.
  returned: success
  type: dict
base:
  description: The base, as M(bakery.images.ec2_image_info) tells of it; it has no name.
  returned: success
  type: dict
sections:
  description: The same for people; each section has a C(title) and C(rows) of two texts.
  returned: success
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_bases import describe_base, resolve
from ansible_collections.bakery.images.plugins.module_utils.ec2_estimate import (
    Distribution,
    Estimate,
    shown,
    told,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_names import image_names
from ansible_collections.bakery.images.plugins.module_utils.ec2_options import (
    AUDIENCE,
    AUDIENCE_OPTIONS,
    BASE_OPTION,
    LAUNCH_OPTIONS,
    source_of,
    wanted_of,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_preparation import Intent, prepare
from ansible_collections.bakery.images.plugins.module_utils.wire import REGION_OPTION, run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        look,
        common=REGION_OPTION,
        argument_spec={
            "base": {**BASE_OPTION, "required": True},
            "name": {"type": "str", "default": ""},
            "role_set": {"type": "str", "default": ""},
            "fingerprint": {"type": "str", "default": ""},
            "last_s": {"type": "float"},
            "made": {"type": "bool", "default": False},
            "regions": {"type": "dict", "default": {}},
            "deprecate_after_days": {"type": "int"},
            "protect": {"type": "bool", "default": False},
            **AUDIENCE_OPTIONS,
            **LAUNCH_OPTIONS,
        },
    )


def look(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:  # noqa: ARG001  # nothing is changed
    """Look up what a bake needs, and count what it takes."""
    aws = Aws(params["region"])
    audience = {kind: tuple(params[kind]) for kind in AUDIENCE}
    base = resolve(aws, source_of(params["base"]))
    wanted = wanted_of(params, "planned", image=base.image["ImageId"])
    intent = Intent(
        name="" if params["made"] else params["name"],
        regions=params["regions"],
        shared=any(audience.values()),
    )
    estimate = Estimate(
        prepared=prepare(aws, wanted, intent),
        region=aws.region,
        names=_names(params),
        distribution=Distribution(
            regions=tuple(region for region in params["regions"] if region != aws.region),
            audience=audience,
            deprecated=params["deprecate_after_days"] is not None,
            protected=params["protect"],
        ),
        lasts_s=params["last_s"],
    )
    return {
        "changed": False,
        "estimate": told(estimate),
        "base": describe_base(base.image, name="", region=aws.region),
        "sections": shown(estimate),
        "warnings": list(base.warnings),
    }


def _names(params: dict[str, Any]) -> tuple[str, ...]:
    """The name that is tried first; none where it would end with a fingerprint that is not known."""
    if not params["name"] and not params["fingerprint"]:
        return ()
    names = image_names(
        params["name"],
        role_set=params["role_set"],
        fingerprint=params["fingerprint"],
        machine_id="planned",
    )
    return names[:1]


if __name__ == "__main__":
    main()
