#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seal a machine that is about to become an AMI."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_seal
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Seal a machine that is about to become an AMI
description:
  - Takes out of a running machine what belongs to the bake or to this one instance. That is what
    cloud-init remembers, the machine id, ssh host keys, the bake's own key (and nobody else's), shell
    histories, leases, the random seed, logs, caches of apt, temporary files and what Ansible left.
  - Services that would write such things once more while the machine stops are stopped.
  - Then it looks at what is in the machine, and keeps that in the machine's directory for
    M(bakery.images.ec2_image). That is all packages of dpkg, and with owner, mode and digest the files that
    are not as a package brought them.
  - This is the last thing that happens in the machine. The key that led into it is gone afterwards; what is
    connected stays so. Nothing of the sealing itself is left in the machine.
extends_documentation_fragment:
  - bakery.images.home
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  id:
    description: Name of the machine. How to get into it stands in its directory below O(home).
    type: str
    required: true
  interpreter:
    description: Python in the machine, 3.8 or newer.
    type: str
    default: /usr/bin/python3
  keep:
    description: Absolute paths that are left as they are, each with all that is in it.
    type: list
    elements: str
    default: []
seealso:
  - module: bakery.images.ec2_image
"""

EXAMPLES = r"""
- name: Seal the machine
  bakery.images.ec2_seal:
    home: /var/lib/bakery
    id: web-1
"""

RETURN = r"""
removed:
  description: How many files and directories were removed, or would be in check mode.
  returned: success
  type: int
emptied:
  description: How many files lost their content.
  returned: success
  type: int
keys:
  description: How many keys of the bake were taken out of C(authorized_keys).
  returned: success
  type: int
packages:
  description: How many packages are in the machine.
  returned: success, unless in check mode
  type: int
files:
  description: How many files in the machine are not as a package brought them.
  returned: success, unless in check mode
  type: int
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.ec2_contents import ImageContents
from ansible_collections.bakery.images.plugins.module_utils.ec2_sealing import (
    SealingAsked,
    exec_words,
    seal_machine,
)
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines
from ansible_collections.bakery.images.plugins.module_utils.wire import run_module

# How far the machine's clock may be behind this host's.
_CLOCKS_DIFFER_S = 600


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure_sealed,
        argument_spec={
            "id": {"type": "str", "required": True},
            "interpreter": {"type": "str", "default": "/usr/bin/python3"},
            "keep": {"type": "list", "elements": "str", "default": []},
        },
    )


def ensure_sealed(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Seal the machine; in check mode the same program looks and changes nothing."""
    root = os.path.join(params["home"], "ec2")
    machines = Machines(root)
    words = exec_words(machines.path(params["id"]))
    journal = machines.find(params["id"])
    # What is older is as the base has it.
    since = journal.created - _CLOCKS_DIFFER_S if journal else 0.0
    asked = SealingAsked(params["interpreter"], apply=apply, keep=tuple(params["keep"]), since=since)
    counts, contents = seal_machine(words, asked)
    result = {"changed": any(counts.values()), **counts}
    if apply:
        ImageContents(root).take(params["id"], contents)
        result.update({name: len(contents[name]) for name in ("packages", "files")})
    return result


if __name__ == "__main__":
    main()
