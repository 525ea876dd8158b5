#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove what dead bakes left."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_sweep
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Remove containers, mounts and directories that dead bakes left
description:
  - Looks at the machines' journals, at the kernel's mounts below O(home) and at the engine's containers with
    the labels of O(home), and removes what belongs to a process that is gone.
  - What belongs to a living process is never touched. A machine without owner goes once its time is over.
  - In check mode it tells what it would remove.
extends_documentation_fragment:
  - bakery.images.home.container
  - bakery.images.home
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
"""

EXAMPLES = r"""
- name: Remove what dead bakes left
  bakery.images.container_sweep:
    home: /var/lib/bakery
"""

RETURN = r"""
swept:
  description: What was removed, or would be in check mode.
  returned: always
  type: dict
  contains:
    machines:
      description: Names of machines.
      type: list
      elements: str
    mounts:
      description: Mount points.
      type: list
      elements: str
    containers:
      description: Names of containers.
      type: list
      elements: str
    directories:
      description: Directories and unfinished files.
      type: list
      elements: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError
from ansible_collections.bakery.images.plugins.module_utils.podman import Podman
from ansible_collections.bakery.images.plugins.module_utils.sweeping import Sweep, Swept
from ansible_collections.bakery.images.plugins.module_utils.wire import run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(make_module, ensure_swept)


def ensure_swept(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Remove what is dead; MachineFailure where something withstands."""
    try:
        swept = sweep(os.path.join(params["home"], "container"), apply=apply)
    except (MachineFailure, StoreError) as error:
        raise MachineFailure(f"the sweep stopped: {error}") from error
    except OSError as error:
        where = error.filename or params["home"]
        raise MachineFailure(f"the sweep stopped: {where}: {error.strerror}") from error
    return {"changed": swept.anything, "swept": vars(swept)}


def find_engine() -> Podman | None:
    """The container engine; without one the kernel still knows mounts and processes."""
    try:
        return Podman()
    except MachineFailure:
        return None


def sweep(root: str, *, apply: bool) -> Swept:
    """Find what is dead and, with ``apply``, remove it."""
    look = Sweep(root, find_engine())
    swept = look.find()
    if apply:
        look.remove(swept)
    return swept


if __name__ == "__main__":
    main()
