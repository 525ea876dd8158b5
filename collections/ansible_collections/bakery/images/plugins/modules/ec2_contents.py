#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what is in an AMI that was baked here."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_contents
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Tell what is in an AMI that was baked here
description:
  - Tells the packages and files of an AMI as M(bakery.images.ec2_seal) saw them in the machine that
    M(bakery.images.ec2_image) made it of. Nothing is launched and AWS is not asked.
  - What is in an AMI that was baked with another O(home) is not known.
extends_documentation_fragment:
  - bakery.images.home
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  image:
    description: Id of the AMI.
    type: str
    required: true
seealso:
  - module: bakery.images.container_info
"""

EXAMPLES = r"""
- name: Tell what is in an AMI
  bakery.images.ec2_contents:
    home: /var/lib/bakery
    image: ami-0123456789abcdef0
  register: told
"""

RETURN = r"""
contents:
  description: What is in the AMI; empty if that is not known.
  returned: success
  type: dict
  contains:
    packages:
      description: Version of each package of dpkg, by name.
      type: dict
    files:
      description:
        - By path, what no package owns, the files of packages that people may edit, and what of packages was
          changed nevertheless. Each with C(kind), C(mode), C(owner) (C(user:group)), C(uid), C(gid), C(size)
          in bytes, and C(digest), of its content or where a link leads. C(package) is whose it is, or empty,
          and C(packaged) says whether it is as the package brought it.
        - Left out is what a machine makes by itself, such as logs, caches and host keys.
      type: dict
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.ec2_contents import ImageContents
from ansible_collections.bakery.images.plugins.module_utils.wire import run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(make_module, tell, argument_spec={"image": {"type": "str", "required": True}})


def tell(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:  # noqa: ARG001  # nothing is changed
    """Tell what is in the image."""
    contents = ImageContents(os.path.join(params["home"], "ec2"))
    return {"changed": False, "contents": contents.find(params["image"])}


if __name__ == "__main__":
    main()
