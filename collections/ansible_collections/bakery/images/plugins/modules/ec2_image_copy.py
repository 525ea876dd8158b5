#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy an AMI to other regions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_image_copy
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Copy an AMI to other regions
description:
  - Copies an AMI to all O(regions) at the same time, and waits until each copy can be used.
  - A copy and its snapshots have the tags of the original from the moment they exist, and
    C(bakery:copy-of), its id. They count as verified once the copy is complete. A copy that is there is
    taken, and one that somebody began is waited for.
  - If a region fails, what was begun there is removed and the module fails; it says where the image is.
    If the module is interrupted, so is all that is not complete.
  - Launch permissions are not copied; see M(bakery.images.ec2_image_share).
extends_documentation_fragment:
  - bakery.images.ec2
  - bakery.images.machine_owner
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  image:
    description: Id of the AMI in O(region).
    type: str
    required: true
  regions:
    description: >-
      The regions to copy to, each with a dictionary that may have C(kms_key), with which the copy's snapshots
      are encrypted, or C(encrypted) for the region's default key. An encrypted AMI stays so.
    type: dict
    required: true
  deprecate_after_days:
    description: When the copies are deprecated, in days after they were made.
    type: int
  protect:
    description: Whether the copies are protected from being deregistered. V(false) leaves that as it is.
    type: bool
    default: false
  timeout_min:
    description: How long a copy may take, in minutes.
    type: float
    default: 60
seealso:
  - module: bakery.images.ec2_image
"""

EXAMPLES = r"""
- name: Copy an AMI to two regions
  bakery.images.ec2_image_copy:
    region: eu-central-1
    image: ami-0123456789abcdef0
    regions:
      eu-west-1:
        kms_key: alias/images
      us-east-1: {}
"""

RETURN = r"""
copies:
  description:
    - The copies, each as M(bakery.images.ec2_image) tells of an AMI. In check mode those that are there.
  returned: success
  type: list
  elements: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_copies import (
    Copying,
    Destination,
    copies_there,
    copy_everywhere,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_image_state import ImageState, Verified
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import artifact_of
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner
from ansible_collections.bakery.images.plugins.module_utils.wire import (
    OWNER_OPTIONS,
    REGION_OPTION,
    run_module,
)


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure_copied,
        common=REGION_OPTION,
        argument_spec={
            "image": {"type": "str", "required": True},
            "regions": {"type": "dict", "required": True},
            "deprecate_after_days": {"type": "int"},
            "protect": {"type": "bool", "default": False},
            "timeout_min": {"type": "float", "default": 60},
            **OWNER_OPTIONS,
        },
    )


def ensure_copied(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Have the image in all regions."""
    aws = Aws(params["region"])
    destinations = destinations_of(params["regions"], home=aws.region)
    copying = Copying(
        image=ImageState(aws, params["image"]).image,
        region=aws.region,
        owner=owner_tags(params),
        verified=Verified(deprecate_after_days=params["deprecate_after_days"], protect=params["protect"]),
        timeout_s=params["timeout_min"] * 60,
    )
    if not apply:
        return _look(copying, destinations)
    copied = copy_everywhere(copying, destinations)
    return {
        "changed": any(one.changed for one in copied),
        "copies": [artifact_of(one.image, one.region) for one in copied],
    }


def _look(copying: Copying, destinations: list[Destination]) -> dict[str, Any]:
    there = {
        destination.region: copies_there(Aws(destination.region), copying.image["ImageId"])
        for destination in destinations
    }
    return {
        "changed": any(not copies or copies[0]["State"] != "available" for copies in there.values()),
        "copies": [artifact_of(copies[0], region) for region, copies in there.items() if copies],
    }


def destinations_of(regions: dict[str, Any], *, home: str) -> list[Destination]:
    """The option O(regions), without the region that the image is in."""
    destinations = []
    for region, options in regions.items():
        unknown = sorted(set(options or {}) - {"kms_key", "encrypted"})
        if unknown:
            raise MachineFailure(
                f"region {region} has no option {', '.join(unknown)}; write kms_key or encrypted"
            )
        if region != home:
            destinations.append(Destination(region, **(options or {})))
    return destinations


def owner_tags(params: dict[str, Any]) -> dict[str, str]:
    """Tags that say for whom a copy is, until it is complete."""
    owner = Owner.from_wire(params["owner"])
    tags = {ec2_tags.EXPIRES: ec2_tags.to_time(time.time() + params["ttl_s"])}
    if owner:
        owned = ec2_tags.owned("", owner, expires=0)
        tags |= {key: owned[key] for key in (ec2_tags.BAKE, ec2_tags.OWNER)}
    return tags


if __name__ == "__main__":
    main()
