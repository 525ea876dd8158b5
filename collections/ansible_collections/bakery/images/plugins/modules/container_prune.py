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
  - bakery.images.machine_owner
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  platform:
    platforms: linux
  action_group:
    support: full
    membership: [bakery.images.bakery]
requirements:
  - root
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.pruning import Keep, find_garbage, remove_garbage


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    module = make_module(
        argument_spec={
            "home": {"type": "path", "required": True},
            "keep_layers": {"type": "list", "elements": "str", "default": []},
            "keep_images": {"type": "list", "elements": "str", "default": []},
            "keep_bases": {"type": "list", "elements": "str", "default": []},
            "grace_s": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    params = module.params
    keep = Keep(
        frozenset(params["keep_layers"]),
        frozenset(params["keep_images"]),
        frozenset(params["keep_bases"]),
        params["grace_s"],
    )
    try:
        store = LayerStore(os.path.join(params["home"], "container"))
        garbage = find_garbage(store, keep)
        if garbage and not module.check_mode:
            remove_garbage(store, garbage)
    except StoreError as error:
        module.fail_json(msg=str(error))
    pruned = {key: getattr(garbage, key) for key in ("layers", "images", "blobs", "bases", "bytes")}
    module.exit_json(changed=bool(garbage), pruned=pruned)


if __name__ == "__main__":
    main()
