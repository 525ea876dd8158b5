#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove images, layers and blobs that nothing refers to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_prune
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Remove images, layers and blobs nobody needs
description:
  - Removes from bakery's store all images, layers, bases and blobs that are not to be kept and that no kept
    one needs.
  - Layers that a machine stands on, or a failed bake that was kept to look into, always stay.
  - In check mode nothing is removed and the same is returned.
extends_documentation_fragment:
  - bakery.images.home.container
  - bakery.images.home
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  keep_layers:
    description: Ids of the layers to keep.
    type: list
    elements: str
    default: []
  keep_images:
    description: Manifest digests of the images to keep.
    type: list
    elements: str
    default: []
  keep_bases:
    description: Names, digests or keys of the bases to keep, with their layers.
    type: list
    elements: str
    default: []
  grace_s:
    description: Layers and blobs younger than this, in seconds, stay too.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Keep one image and its layers
  bakery.images.container_prune:
    home: /var/lib/bakery
    keep_images: ["sha256:0b24865b7df344f3e01b8fb3c8d1ec5b33d61bbddefa542208a8c3dc6cc4f7b6"]
    keep_layers: [8c1f0a2b3c4d5e6f, 0a1b2c3d4e5f6071]
"""

RETURN = r"""
pruned:
  description: What was removed.
  returned: success
  type: dict
  contains:
    layers:
      description: Ids of layers.
      type: list
      elements: str
    images:
      description: Manifest digests of images.
      type: list
      elements: str
    blobs:
      description: Digests of blobs.
      type: list
      elements: str
    bases:
      description: Paths of the records of bases.
      type: list
      elements: str
    bytes:
      description: Bytes on disk that became free.
      type: int
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore
from ansible_collections.bakery.images.plugins.module_utils.pruning import Keep, find_garbage, remove_garbage
from ansible_collections.bakery.images.plugins.module_utils.wire import run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        prune,
        argument_spec={
            "keep_layers": {"type": "list", "elements": "str", "default": []},
            "keep_images": {"type": "list", "elements": "str", "default": []},
            "keep_bases": {"type": "list", "elements": "str", "default": []},
            "grace_s": {"type": "int", "default": 0},
        },
    )


def prune(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Find what nobody needs and, with ``apply``, remove it."""
    keep = Keep(
        frozenset(params["keep_layers"]),
        frozenset(params["keep_images"]),
        frozenset(params["keep_bases"]),
        params["grace_s"],
    )
    store = LayerStore(os.path.join(params["home"], "container"))
    garbage = find_garbage(store, keep)
    if garbage and apply:
        remove_garbage(store, garbage)
    pruned = {key: getattr(garbage, key) for key in ("layers", "images", "blobs", "bases", "bytes")}
    return {"changed": bool(garbage), "pruned": pruned}


if __name__ == "__main__":
    main()
