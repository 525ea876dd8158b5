#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch or discard a throwaway machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_machine
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Launch or discard a throwaway container
description:
  - Launches a container on an overlay mount over the layers of bakery's store, in its own network, process,
    mount, host name and IPC namespaces, and waits until it can be used.
  - It boots systemd where the layers have it, otherwise a minimal init.
  - With O(image) it runs as a container of an image would, with the image's own command.
  - Everything that the machine owns is in a journal on disk before it exists.
extends_documentation_fragment:
  - bakery.images.home.container
  - bakery.images.home
  - bakery.images.machine_owner
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
requirements:
  - podman
options:
  id:
    description: Name of the machine, unique in O(home).
    type: str
    required: true
  state:
    description: Whether the machine runs or does not exist.
    type: str
    choices: [started, absent]
    default: started
  parents:
    description: Ids of the layers it stands on, lowest first. Needed to start a machine without O(image).
    type: list
    elements: str
    default: []
  epoch:
    description:
      - Newest time (seconds since 1970) that anything baked may carry; C(SOURCE_DATE_EPOCH) of every task.
    type: int
    default: 0
  apt_scope:
    description:
      - Machines with the same scope share package lists, as far as they stand on the same layers, and the
        packages that these lists name; use the digest of the base.
      - When empty, the machine has no shared package cache and its package lists are not refreshed.
    type: str
    default: ''
  apt_max_age:
    description: Package lists older than this, in seconds, are fetched anew at launch.
    type: int
    default: 86400
  env:
    description:
      - Environment of the base image, C(NAME=value) each, as its configuration has it.
      - Tasks see it, as RUN in a Containerfile does; a PATH in it gets the usual directories at its end.
    type: list
    elements: str
    default: []
  image:
    description:
      - Manifest digest or name of a captured image to run instead of O(parents), with the image's own
        environment, user, working directory, volumes and command.
    type: str
  read_all:
    description:
      - Read every layer and blob of O(image) first, and fail unless each still has its digest.
      - This takes about as long as packing the image did.
    type: bool
    default: false
  settle_s:
    description:
      - How long the image's own command must keep running before the machine counts as launched, in seconds.
    type: float
    default: 0.5
  kept:
    description:
      - Name under which a failed machine was kept (see O(keep_as)); the new machine continues from there.
    type: str
    default: ''
  keep_as:
    description:
      - With O(state=absent), keep what was changed in the machine under C(failed/) by this name.
      - Nothing is kept where less than 256 MiB of the disk are left and what was changed takes more than
        that.
    type: str
"""

EXAMPLES = r"""
- name: Launch a throwaway machine
  bakery.images.container_machine:
    home: /var/lib/bakery
    id: web-1
    parents: [8c1f0a2b3c4d5e6f]
    epoch: 1767225600
    apt_scope: sha256:2f0c
  register: launched

- name: Discard it
  bakery.images.container_machine:
    home: /var/lib/bakery
    id: web-1
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
      description: Path of the machine's tree on this host.
      type: str
    address:
      description: Network address of the machine.
      type: str
    failed_units:
      description: Units of systemd that failed while the machine booted.
      type: list
      elements: str
kept:
  description: Directory that holds what was kept of a discarded machine.
  returned: when O(keep_as) is given and the machine was kept
  type: str
not_kept:
  description: Why nothing was kept of a discarded machine.
  returned: when O(keep_as) is given and the machine was not kept
  type: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.captured_image import captured_image
from ansible_collections.bakery.images.plugins.module_utils.engine_files import odd_tmp
from ansible_collections.bakery.images.plugins.module_utils.failed_tree import keep_failed
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.loopback_proxy import loopback_proxies
from ansible_collections.bakery.images.plugins.module_utils.machine_description import describe
from ansible_collections.bakery.images.plugins.module_utils.machine_network import first_address
from ansible_collections.bakery.images.plugins.module_utils.oci_image import layout_of
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner
from ansible_collections.bakery.images.plugins.module_utils.privilege import require_root
from ansible_collections.bakery.images.plugins.module_utils.throwaway import Throwaways, Wanted
from ansible_collections.bakery.images.plugins.module_utils.wire import OWNER_OPTIONS, run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure,
        argument_spec={
            "id": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "absent"], "default": "started"},
            "parents": {"type": "list", "elements": "str", "default": []},
            "epoch": {"type": "int", "default": 0},
            "apt_scope": {"type": "str", "default": ""},
            "apt_max_age": {"type": "int", "default": 86400},
            "env": {"type": "list", "elements": "str", "default": []},
            "image": {"type": "str"},
            "read_all": {"type": "bool", "default": False},
            "settle_s": {"type": "float", "default": 0.5},
            "kept": {"type": "str", "default": ""},
            "keep_as": {"type": "str"},
            **OWNER_OPTIONS,
        },
        mutually_exclusive=[("parents", "image")],
    )


def ensure(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Start or discard the machine, as O(state) says."""
    throwaways = Throwaways(os.path.join(params["home"], "container"))
    of_state = ensure_started if params["state"] == "started" else ensure_absent
    return of_state(throwaways, params, apply=apply)


def ensure_started(throwaways: Throwaways, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Launch the machine unless it runs already."""
    require_root("starting a machine")
    directory = throwaways.machines.path(params["id"])
    journal = throwaways.machines.find(params["id"])
    if journal is not None:
        if not throwaways.is_running(journal):
            raise MachineFailure(f"machine '{journal.id}' exists but does not run; discard it first")
        address = first_address(journal.pid or 0)
        return {"changed": False, "machine": describe(journal, directory, address=address, failed=())}
    _require_parts(throwaways, params)
    if not apply:
        return {"changed": True}
    launched = throwaways.launch(_wanted(throwaways, params))
    warnings = [f"{unit} failed while the machine booted" for unit in launched.failed_units]
    warnings += odd_tmp(os.path.join(directory, "merged"))
    if launched.journal.kind == "bake":
        warnings += loopback_proxies(os.environ)
    machine = describe(launched.journal, directory, address=launched.address, failed=launched.failed_units)
    return {"changed": True, "machine": machine, "warnings": warnings}


def ensure_absent(throwaways: Throwaways, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Discard the machine, keeping its changes if wanted."""
    machine_id = params["id"]
    journal = throwaways.machines.find(machine_id)
    exists = journal is not None or os.path.isdir(throwaways.machines.path(machine_id))
    if not exists or not apply:
        return {"changed": exists}
    result: dict[str, Any] = {"changed": True}
    if params["keep_as"] and journal is not None:
        kept = keep_failed(throwaways, journal, name=params["keep_as"])
        result |= {"not_kept": kept.refusal} if kept.refusal else {"kept": kept.path}
    throwaways.discard(machine_id)
    return result


def _require_parts(throwaways: Throwaways, params: dict[str, Any]) -> None:
    """MachineFailure or StoreError unless what the machine would stand on is there; nothing is written."""
    if params["image"]:
        layout_of(throwaways.store).resolve(params["image"])
    elif not params["parents"]:
        raise MachineFailure(
            f"machine '{params['id']}' has no layer to stand on; name at least the base's layers"
        )
    for layer_id in params["parents"]:
        throwaways.store.record(layer_id)
    throwaways.require_kept(params["kept"])


def _wanted(throwaways: Throwaways, params: dict[str, Any]) -> Wanted:
    parents, config = tuple(params["parents"]), None
    if params["image"]:
        image = captured_image(throwaways.store, params["image"], read_all=params["read_all"])
        parents, config = image.layers, image.config
    return Wanted(
        machine_id=params["id"],
        parents=parents,
        epoch=params["epoch"],
        owner=Owner.from_wire(params["owner"]),
        ttl_s=params["ttl_s"],
        apt_scope=params["apt_scope"],
        apt_max_age_s=params["apt_max_age"],
        config=config,
        kept=params["kept"],
        env=tuple(params["env"]),
        settle_s=params["settle_s"],
    )


if __name__ == "__main__":
    main()
