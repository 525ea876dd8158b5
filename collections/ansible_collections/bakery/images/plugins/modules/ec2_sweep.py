#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove what dead bakes left in an account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_sweep
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Remove what dead bakes left in an AWS account
description:
  - Looks at what has the tag C(bakery:machine) in the account, and removes what belongs to a process of this
    host that is gone, or whose time (C(bakery:expires)) has passed. That is instances in any state, volumes,
    network interfaces, security groups, images that were not verified, and snapshots.
  - What belongs to a living process of this host, a verified image, and what lacks bakery's tags is never
    touched. What belongs to another host goes once its time has passed.
  - Directories of such machines below O(home) go, too, and what was kept of the contents of such images.
  - In check mode it tells what it would remove.
extends_documentation_fragment:
  - bakery.images.home
  - bakery.images.ec2
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  regions:
    description: More regions to look at, such as those that images are copied to.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Remove what dead bakes left
  bakery.images.ec2_sweep:
    home: /var/lib/bakery
    region: eu-central-1
    regions: [eu-west-1]
"""

RETURN = r"""
swept:
  description: What was removed, or would be in check mode.
  returned: always
  type: dict
  contains:
    machines:
      description: Names of the machines that it was of.
      type: list
      elements: str
    instances:
      description: Ids of instances.
      type: list
      elements: str
    volumes:
      description: Ids of volumes; those of an instance usually go with it.
      type: list
      elements: str
    network_interfaces:
      description: Ids of network interfaces.
      type: list
      elements: str
    security_groups:
      description: Ids of security groups.
      type: list
      elements: str
    images:
      description: Ids of images that were not verified.
      type: list
      elements: str
    snapshots:
      description: Ids of snapshots.
      type: list
      elements: str
    directories:
      description: Directories of machines on this host.
      type: list
      elements: str
"""

import os
import re
import time
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_contents import ImageContents
from ansible_collections.bakery.images.plugins.module_utils.ec2_sweeping import Ec2Sweep, Left
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import (
    Journal,
    Machines,
    remove_directory,
)
from ansible_collections.bakery.images.plugins.module_utils.unfinished import PARTIAL
from ansible_collections.bakery.images.plugins.module_utils.wire import (
    HOME_OPTION,
    REGION_OPTION,
    run_module,
)

# As the endpoints of AWS are called, those of its other partitions included.
_REGION = re.compile(r"[a-z]{2,8}(-[a-z]{2,12}){1,3}-[0-9]{1,2}")


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure_swept,
        common={**HOME_OPTION, **REGION_OPTION},
        argument_spec={"regions": {"type": "list", "elements": "str", "default": []}},
    )


def ensure_swept(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Remove what is dead; MachineFailure where something withstands."""
    try:
        swept = sweep(params, apply=apply)
    except (MachineFailure, StoreError) as error:
        raise MachineFailure(f"the sweep stopped: {error}") from error
    return {"changed": any(swept.values()), "swept": swept}


def sweep(params: dict[str, Any], *, apply: bool) -> dict[str, list[str]]:
    """Find what is dead and, with ``apply``, remove it."""
    home = Aws(params["region"])
    machines = Machines(os.path.join(params["home"], "ec2"))
    dead = dict(dead_machines(machines))
    directories = list(dead)
    # A bake may have been configured for another region than whoever sweeps; its journal knows.
    told = [region for journal in dead.values() if journal for region in _regions_of(journal)]
    regions = dict.fromkeys([home.region, *params["regions"], *told])
    looks = [Ec2Sweep(home.in_region(region)) for region in regions]
    found = [look.find() for look in looks]
    if apply:
        contents = ImageContents(os.path.join(params["home"], "ec2"))
        for look, left in zip(looks, found, strict=True):
            look.remove(left)
            contents.forget(left.images)
        for directory in directories:
            remove_directory(directory)
    swept = {name: sorted({one for left in found for one in vars(left)[name]}) for name in vars(Left())}
    ids = {os.path.basename(directory) for directory in directories}
    return {**swept, "machines": sorted({*swept["machines"], *ids}), "directories": directories}


def _regions_of(journal: Journal) -> Iterator[str]:
    """Where a bake has made something, or was about to; nothing of what is no region in a damaged journal."""
    more = journal.details.get("regions")
    for region in (journal.details.get("region"), *(more if isinstance(more, list) else ())):
        if isinstance(region, str) and _REGION.fullmatch(region):
            yield region


def dead_machines(machines: Machines) -> Iterator[tuple[str, Journal | None]]:
    """Directories of machines whose owner is gone, and their journals where they can be read."""
    now = time.time()
    for name in machines.names():
        directory = os.path.join(machines.directory, name)
        if name.endswith(PARTIAL) or not os.path.isdir(directory):
            continue
        try:
            journal = machines.read(directory)
        except MachineFailure:
            journal = None  # its writers rename whole ones into place
        if journal is None or journal.is_dead(now):
            yield directory, journal


if __name__ == "__main__":
    main()
