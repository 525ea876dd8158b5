#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let other accounts use an AMI."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_image_share
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Let other accounts use an AMI
description:
  - Lets just these accounts, organisations and organisational units launch an AMI, and the accounts copy
    its snapshots as well. Whoever else had been given that loses it, but for groups such as everybody.
  - An AMI whose snapshots are encrypted with the key that AWS manages (C(alias/aws/ebs)) is refused before
    anything is changed, because nobody else could use it. For a key of your own, its policy must let the
    others use it.
extends_documentation_fragment:
  - bakery.images.ec2
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  image:
    description: Id of the AMI. It must be available.
    type: str
    required: true
  accounts:
    description: Ids of accounts.
    type: list
    elements: str
    default: []
  organizations:
    description: ARNs of organisations. They may launch the AMI; EC2 lets only accounts copy snapshots.
    type: list
    elements: str
    default: []
  organizational_units:
    description: ARNs of organisational units.
    type: list
    elements: str
    default: []
attributes:
  diff_mode:
    support: full
seealso:
  - module: bakery.images.ec2_image
"""

EXAMPLES = r"""
- name: Let two accounts use an AMI
  bakery.images.ec2_image_share:
    region: eu-central-1
    image: ami-0123456789abcdef0
    accounts: ["123456789012", "210987654321"]

- name: Let nobody else use it any more
  bakery.images.ec2_image_share:
    region: eu-central-1
    image: ami-0123456789abcdef0
"""

RETURN = r"""
sharing:
  description: Who may C(launch) the AMI, and which accounts may copy each of its C(snapshots).
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_options import AUDIENCE, AUDIENCE_OPTIONS
from ansible_collections.bakery.images.plugins.module_utils.ec2_sharing import Audience, SharedImage
from ansible_collections.bakery.images.plugins.module_utils.wire import REGION_OPTION, run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure_shared,
        common=REGION_OPTION,
        argument_spec={"image": {"type": "str", "required": True}, **AUDIENCE_OPTIONS},
    )


def ensure_shared(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Let just the audience use the image."""
    audience = Audience(**{name: frozenset(params[name]) for name in AUDIENCE})
    audience.check()
    image = SharedImage(Aws(params["region"]), params["image"])
    wanted = image.wanted(audience)
    image.refuse_impossible(wanted)
    observed = image.observed()
    if apply:
        image.apply(observed, wanted)
    return {
        "changed": observed != wanted,
        "sharing": wanted.shown(),
        "diff": {"before": observed.shown(), "after": wanted.shown()},
    }


if __name__ == "__main__":
    main()
