#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the null target."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scratch_image
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Compose, name, export, compare and prune images of scratch directories
description:
  - An image of the null target is a document that names layers of M(bakery.images.scratch_layer).
extends_documentation_fragment:
  - bakery.images.home
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
attributes:
  check_mode:
    support: partial
    details: Pruning is predicted; composing, naming and exporting are only announced.
options:
  step:
    description: What to do.
    type: str
    required: true
    choices: [compose, point, export, prune, inspect]
  layers:
    description: Ids of layers, lowest first, for V(compose) and V(inspect).
    type: list
    elements: str
    default: []
  other_layers:
    description: With O(step=inspect), the layers to compare O(layers) with.
    type: list
    elements: str
  contents:
    description: With O(step=inspect), report what is in O(layers), unless O(other_layers) are given.
    type: bool
    default: false
  image:
    description: Name, C(config) and C(epoch) of the image to compose.
    type: dict
    default: {}
  reference:
    description: Digest or name of an image, for V(point) and V(export).
    type: str
  names:
    description: Names that shall point at the image.
    type: list
    elements: str
    default: []
  path:
    description: File to export to.
    type: path
  keep_layers:
    description: Ids of layers that V(prune) spares.
    type: list
    elements: str
    default: []
  keep_images:
    description: Digests of images that V(prune) spares.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Compose an image
  bakery.images.scratch_image:
    home: /tmp/bakery
    step: compose
    layers: [8c1f0a2b3c4d5e6f]
    image: {name: web}
"""

RETURN = r"""
artifact:
  description: The image.
  returned: when O(step=compose) and not in check mode
  type: dict
names:
  description: The names that point at it.
  returned: when O(step=point)
  type: list
  elements: str
exported:
  description: The file that was written.
  returned: when O(step=export) and not in check mode
  type: dict
pruned:
  description: What was removed.
  returned: when O(step=prune)
  type: dict
report:
  description: What is in the layers, or what sets them apart.
  returned: when O(step=inspect)
  type: dict
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.scratch_images import ScratchImages
from ansible_collections.bakery.images.plugins.module_utils.wire import run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure,
        argument_spec={
            "step": {
                "type": "str",
                "required": True,
                "choices": ["compose", "point", "export", "prune", "inspect"],
            },
            "layers": {"type": "list", "elements": "str", "default": []},
            "other_layers": {"type": "list", "elements": "str"},
            "contents": {"type": "bool", "default": False},
            "image": {"type": "dict", "default": {}},
            "reference": {"type": "str"},
            "names": {"type": "list", "elements": "str", "default": []},
            "path": {"type": "path"},
            "keep_layers": {"type": "list", "elements": "str", "default": []},
            "keep_images": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[
            ("step", "point", ["reference"]),
            ("step", "export", ["reference", "path"]),
        ],
    )


def ensure(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Take O(step)."""
    images = ScratchImages(os.path.join(params["home"], "null"))
    run = {"compose": compose, "point": point, "export": export, "prune": prune, "inspect": inspect}
    return run[params["step"]](images, params, apply=apply)


def compose(images: ScratchImages, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Compose an image."""
    if not apply:
        return {"changed": True}
    artifact, changed = images.compose(params["layers"], params["image"])
    return {"changed": changed, "artifact": artifact}


def point(images: ScratchImages, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Make names point at an image."""
    changed = images.point(params["reference"], params["names"]) if apply else True
    return {"changed": changed, "names": params["names"]}


def export(images: ScratchImages, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Write an image to a file."""
    if not apply:
        return {"changed": True}
    return {"changed": True, "exported": images.export(params["reference"], params["path"])}


def prune(images: ScratchImages, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Remove what is not to be kept."""
    keep = {"layers": params["keep_layers"], "images": params["keep_images"]}
    pruned = images.prune(keep, apply=apply)
    return {"changed": bool(pruned["layers"] or pruned["images"]), "pruned": pruned}


def inspect(
    images: ScratchImages,
    params: dict[str, Any],
    *,
    apply: bool,  # noqa: ARG001  # nothing to apply
) -> dict[str, Any]:
    """Look at layers; nothing changes."""
    layers, others = params["layers"], params["other_layers"]
    if params["contents"] and others is None:
        return {"changed": False, "report": {"contents": images.contents(layers)}}
    return {"changed": False, "report": images.inspect(layers, others)}


if __name__ == "__main__":
    main()
