#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Freeze a throwaway machine as a layer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_layer
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Freeze what changed in a throwaway container as a layer
description:
  - Stops the machine, takes everything out that belongs to the bake and not to the image (machine identity,
    SSH host keys, logs, caches, histories, package lists), freezes what is left by a rename, packs it into a
    tar with its digest, and removes the machine.
  - What a role deleted stays deleted, and what it emptied stays empty. Logs that are not those of package
    managers and logins stay, without their content. What was taken out is told in RV(layer.sealed).
extends_documentation_fragment:
  - bakery.images.home.container
  - bakery.images.home
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
requirements:
  - podman
options:
  machine_id:
    description: Name of the machine that M(bakery.images.container_machine) launched.
    type: str
    required: true
  epoch:
    description: Newest time (seconds since 1970) that a file of the layer may carry; later ones are cut.
    type: int
    required: true
  role:
    description: Role that made the layer.
    type: str
    default: ''
  version:
    description: Version of that role.
    type: str
    default: ''
  created_by:
    description: What the image's history says about the layer.
    type: str
    default: ''
  compression:
    description: How the layer's blob is compressed.
    type: str
    choices: [gzip, zstd]
    default: gzip
  keep:
    description: Absolute paths that sealing leaves as they are, each with all that is in it.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Freeze what the role did
  bakery.images.container_layer:
    home: /var/lib/bakery
    machine_id: web-1
    epoch: 1767225600
    role: nginx
    version: 1.4.2
    created_by: bakery role nginx 1.4.2
  register: frozen
"""

RETURN = r"""
layer:
  description: The layer.
  returned: when not in check mode
  type: dict
  contains:
    id:
      description: Its id in the store.
      type: str
    digest:
      description: Digest of its uncompressed tar (the OCI diffID).
      type: str
    size:
      description: Size of that tar in bytes.
      type: int
    files:
      description: Number of entries.
      type: int
    blob:
      description: Digest, size in bytes and media type of the compressed tar.
      type: dict
    role:
      description: As given.
      type: str
    version:
      description: As given.
      type: str
    created_by:
      description: As given.
      type: str
    packages:
      description: Packages that were added, removed and changed.
      type: dict
    sealed:
      description:
        - What sealing took away. C(entries) has C(path), C(what) (removed, emptied, cut back to what
          the layers below have there, or hidden with that) and C(reason) of the first thousand, C(more) how
          many there are beyond.
      type: dict
    seconds:
      description: How long it took to stop, seal, freeze and pack.
      type: dict
sealed:
  description: How many entries sealing removed and how many times it cut.
  returned: when not in check mode
  type: dict
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.checkpoint import Checkpoint, checkpoint
from ansible_collections.bakery.images.plugins.module_utils.engine_files import lost_writes
from ansible_collections.bakery.images.plugins.module_utils.throwaway import Throwaways
from ansible_collections.bakery.images.plugins.module_utils.wire import run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        freeze,
        argument_spec={
            "machine_id": {"type": "str", "required": True},
            "epoch": {"type": "int", "required": True},
            "role": {"type": "str", "default": ""},
            "version": {"type": "str", "default": ""},
            "created_by": {"type": "str", "default": ""},
            "compression": {"type": "str", "choices": ["gzip", "zstd"], "default": "gzip"},
            "keep": {"type": "list", "elements": "str", "default": []},
        },
    )


def freeze(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Checkpoint the machine; a machine that does not exist is an error also in check mode."""
    throwaways = Throwaways(os.path.join(params["home"], "container"))
    journal = throwaways.machines.get(params["machine_id"])
    if not apply:
        return {"changed": True}
    about = {name: params[name] for name in ("role", "version", "created_by")}
    wanted = Checkpoint(
        epoch=params["epoch"], about=about, compression=params["compression"], keep=tuple(params["keep"])
    )
    who = f"role '{params['role']}': " if params["role"] else ""
    lost = [f"{who}{one}" for one in lost_writes(journal.pid or 0, journal.details.get("engine_files") or {})]
    frozen = checkpoint(throwaways, journal, wanted)
    sealed = {"removed": frozen.sealed.removed, "clamped": frozen.sealed.clamped}
    return {
        "changed": True,
        "layer": frozen.layer,
        "sealed": sealed,
        "warnings": [*frozen.sealed.notes, *lost],
    }


if __name__ == "__main__":
    main()
