#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find an AMI to bake on, or one that was baked."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_image_info
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Find an AMI to bake on, or one that was baked
description:
  - Resolves O(base) to one AMI, by its id, by its owner and a pattern of its name, or by an SSM parameter.
  - Or finds the verified AMI of this account that was baked from just these inputs, by its tag
    C(bakery:fingerprint).
extends_documentation_fragment:
  - bakery.images.ec2
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  base:
    description: Where the base comes from; one of V(id), V(name) and V(ssm).
    type: dict
    suboptions:
      id:
        description: Id of an AMI in the region. If it is deprecated, there is a warning.
        type: str
      name:
        description:
          - Name of the AMI, with C(*) and C(?) as wildcards. The newest one that is available is taken.
          - Needs O(base.owner), because anybody may give an AMI any name.
        type: str
      owner:
        description: Account id of the owner, or V(amazon), V(aws-marketplace) or V(self).
        type: str
      ssm:
        description: Name of an SSM parameter that holds the id of an AMI.
        type: str
      architecture:
        description:
          - V(amd64) or V(arm64). An AMI for another one is refused.
          - Needed with O(base.name) if there are images for several of them.
        type: str
      deprecated:
        description: Take a deprecated AMI too, if it is the newest one with O(base.name).
        type: bool
        default: false
  base_name:
    description: What the base is called.
    type: str
    default: ''
  share_volume:
    description:
      - The root volume of a machine whose image is to be shared, with C(encrypted) and C(kms_key).
      - If its key is one that AWS manages, nobody else could use the image, and the module fails.
    type: dict
    suboptions:
      encrypted:
        description: Whether the volume is encrypted. Otherwise the account's default counts.
        type: bool
        default: false
      kms_key:
        description: The key, by id, ARN or alias. Otherwise the account's default counts.
        type: str
        default: ''
      regions:
        description: The regions that get a copy, as M(bakery.images.ec2_image_copy) takes them.
        type: dict
        default: {}
  fingerprint:
    description: Fingerprint of all inputs of a bake.
    type: str
  checks_digest:
    description: Only an image that passed the checks with this digest.
    type: str
    default: ''
  role_set:
    description: The image must have been baked from this role set.
    type: str
  regions:
    description: Other regions in which the image that is found is to have copies.
    type: list
    elements: str
    default: []
  accounts:
    description: Accounts that are to use the image that is found, and its copies.
    type: list
    elements: str
    default: []
  organizations:
    description: Organizations that are to use it, by ARN.
    type: list
    elements: str
    default: []
  organizational_units:
    description: Organizational units that are to use it, by ARN.
    type: list
    elements: str
    default: []
seealso:
  - module: bakery.images.ec2_image
"""

EXAMPLES = r"""
- name: Resolve the newest Debian 12
  bakery.images.ec2_image_info:
    region: eu-central-1
    base:
      owner: "136693071363"
      name: debian-12-amd64-*
      architecture: amd64
    base_name: debian-12
  register: resolved

- name: Find what was baked from these inputs
  bakery.images.ec2_image_info:
    fingerprint: "{{ fingerprint }}"
  register: looked
"""

RETURN = r"""
base:
  description: The AMI to bake on.
  returned: when O(base) is given
  type: dict
  contains:
    name:
      description: What the base is called.
      type: str
    digest:
      description: Id of the AMI; a base of other content has another id.
      type: str
    resolved:
      description: Id of the AMI.
      type: str
    epoch:
      description: When the AMI was made, in seconds since 1970.
      type: int
    architecture:
      description: V(amd64) or V(arm64).
      type: str
    systemd:
      description: Always V(true).
      type: bool
    layers:
      description: Always empty.
      type: list
      elements: str
    config:
      description:
        - What decides how instances of the AMI start; C(image), C(root_device), C(size) of its volume in GiB,
          C(architecture) in EC2's words, C(boot_mode), C(ena), C(imds), C(tpm) and C(region).
      type: dict
found:
  description:
    - The image that was baked, as M(bakery.images.ec2_image) tells of it, with C(regions), its copies, and
      C(checks_passed).
    - Empty if there is none.
  returned: when O(fingerprint) is given
  type: dict
unfinished:
  description:
    - What was left undone when the image was handed out to O(regions) and others, each as the end of a
      sentence. Sharing is looked at only if somebody is to use the image.
  returned: when O(fingerprint) is given
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_baked import (
    Recipe,
    find_baked,
    find_unfinished,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_bases import describe_base, resolve
from ansible_collections.bakery.images.plugins.module_utils.ec2_options import (
    AUDIENCE,
    AUDIENCE_OPTIONS,
    BASE_OPTION,
    source_of,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_sharing import Audience, refuse_unshareable
from ansible_collections.bakery.images.plugins.module_utils.wire import REGION_OPTION, run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        find,
        common=REGION_OPTION,
        argument_spec={
            "base": BASE_OPTION,
            "base_name": {"type": "str", "default": ""},
            "share_volume": {
                "type": "dict",
                "options": {
                    "encrypted": {"type": "bool", "default": False},
                    "kms_key": {"type": "str", "default": "", "no_log": False},
                    "regions": {"type": "dict", "default": {}},
                },
            },
            "fingerprint": {"type": "str"},
            "checks_digest": {"type": "str", "default": ""},
            "role_set": {"type": "str"},
            "regions": {"type": "list", "elements": "str", "default": []},
            **AUDIENCE_OPTIONS,
        },
        required_one_of=[("base", "fingerprint")],
    )


def find(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:  # noqa: ARG001  # nothing is changed
    """Find what is asked for."""
    aws = Aws(params["region"])
    result: dict[str, Any] = {"changed": False}
    if params["share_volume"]:
        refuse_unshareable(aws, **params["share_volume"])
    if params["base"]:
        resolved = resolve(aws, source_of(params["base"]))
        result["base"] = describe_base(resolved.image, name=params["base_name"], region=aws.region)
        result["warnings"] = list(resolved.warnings)
    if params["fingerprint"]:
        recipe = Recipe(params["fingerprint"], params["checks_digest"], params["role_set"] or "")
        found = find_baked(aws, recipe, regions=params["regions"])
        audience = Audience(**{name: frozenset(params[name]) for name in AUDIENCE})
        result["found"] = found
        result["unfinished"] = (
            find_unfinished(aws, found, regions=params["regions"], audience=audience) if found else []
        )
    return result


if __name__ == "__main__":
    main()
