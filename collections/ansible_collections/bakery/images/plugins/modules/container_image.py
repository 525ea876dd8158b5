#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose, name or remove an OCI image."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Compose, name or remove an OCI image
description:
  - Composes an OCI image from layers of bakery's store and an image configuration, gives it names, or takes
    it out.
  - All images share one OCI image layout, C(container/oci) below O(home). The name of an image in it is
    C(NAME:TAG),
    so that C(skopeo inspect oci:HOME/container/oci:NAME:TAG) and
    C(podman run oci:HOME/container/oci:NAME:TAG) find it.
  - The same layers, configuration, history and annotations give the same digests on any host at any time.
  - Layers are packed and compressed at the first need, in one pass. An image of more than 100 layers has
    its lowest ones merged into one.
  - An image that was composed has no name until O(state=tagged).
extends_documentation_fragment:
  - bakery.images.home.container
  - bakery.images.home
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  state:
    description:
      - V(present) composes the image.
      - V(tagged) lets O(names) mean the image O(image).
      - V(absent) takes O(names) away, or the image O(image) with all its names. Its blobs stay until they
        are pruned.
    type: str
    choices: [present, tagged, absent]
    default: present
  name:
    description: What the image is called in its annotations and in the returned command. Needed for
      O(state=present).
    type: str
  layers:
    description: Ids of the layers, lowest first. Needed for O(state=present).
    type: list
    elements: str
  epoch:
    description: Creation time of the image (seconds since 1970), and newest time that its files may carry.
    type: int
    default: 0
  config:
    description: What the image runs and how; what is not given comes from O(base_config).
    type: dict
    default: {}
    suboptions:
      entrypoint:
        description: Words of the entry point, or a shell command.
        type: raw
      cmd:
        description:
          - Words of the command, or a shell command.
          - Where neither this nor the entry point is given or inherited, an image with an init boots it.
        type: raw
      env:
        description: Environment variables.
        type: raw
      ports:
        description: Ports that the image serves, such as V(80) or V(53/udp).
        type: list
        elements: str
      labels:
        description: Labels.
        type: dict
      user:
        description: User to run as, with or without a group.
        type: str
      workdir:
        description: Working directory.
        type: str
      healthcheck:
        description: A dictionary of C(test) (words or a shell command), C(interval), C(timeout),
          C(start_period), C(retries).
        type: dict
      stop_signal:
        description: Signal that stops the container.
        type: str
      volumes:
        description: Directories meant for volumes.
        type: list
        elements: str
  base_config:
    description: Configuration object of the base image in OCI's words (C(Env), C(Cmd) and so on).
    type: dict
    default: {}
  base_name:
    description: Name of the base, for the annotation C(org.opencontainers.image.base.name).
    type: str
  base_digest:
    description: Digest of the base, for the annotation C(org.opencontainers.image.base.digest).
    type: str
  history:
    description: What made each layer; layers without an entry say themselves what made them.
    type: list
    elements: dict
    default: []
    suboptions:
      layer:
        description: Id of the layer.
        type: str
        required: true
      created_by:
        description: What made it.
        type: str
        required: true
  annotations:
    description: Annotations of the manifest, added to those that the module writes itself.
    type: dict
    default: {}
  fingerprint:
    description: Fingerprint of all inputs, for the annotation C(io.bakery.fingerprint).
    type: str
  compression:
    description: Compression of layers that are not packed yet. Layers of a foreign base keep their own.
    type: str
    choices: [gzip, zstd]
    default: gzip
  architecture:
    description: Architecture in OCI's words; the default is this host's.
    type: str
  image:
    description: An image in the store, by name, digest or the beginning of a digest.
    type: str
  names:
    description: Names, each C(NAME:TAG).
    type: list
    elements: str
    default: []
seealso:
  - module: bakery.images.container_export
  - module: bakery.images.container_prune
"""

EXAMPLES = r"""
- name: Compose an image
  bakery.images.container_image:
    home: /var/lib/bakery
    name: web
    layers: [8c1f0a2b3c4d5e6f, 0a1b2c3d4e5f6071]
    epoch: 1767225600
    config:
      cmd: [nginx, -g, daemon off;]
      ports: ["80"]
    history:
      - layer: 0a1b2c3d4e5f6071
        created_by: "bakery: role nginx 1.4.2"
  register: composed

- name: Name it
  bakery.images.container_image:
    home: /var/lib/bakery
    state: tagged
    image: "{{ composed.artifact.digest }}"
    names: ["web:latest"]
"""

RETURN = r"""
artifact:
  description: The composed image.
  returned: when O(state=present) and not in check mode
  type: dict
  contains:
    kind:
      description: Always V(oci-image).
      type: str
    id:
      description: Digest of the image's config; engines call it the image's id.
      type: str
    digest:
      description: Digest of the manifest.
      type: str
    location:
      description: Where it is, C(oci:LAYOUT@DIGEST).
      type: str
    size:
      description: Bytes of manifest, config and compressed layers.
      type: int
    run:
      description: A command that runs the image once it is tagged C(latest).
      type: str
    paths:
      description: The files that make up the image, then the index that holds its names.
      type: list
      elements: str
    sizes:
      description: How large each file of the image is, in bytes, in the order of RV(artifact.paths).
      type: list
      elements: int
    config:
      description: Configuration object of the image in OCI's words.
      type: dict
location:
  description: Where the image is, by the last of its names, C(oci:LAYOUT:NAME), as skopeo and podman take it.
  returned: when O(state=tagged)
  type: str
names:
  description: The names that mean the image, or were taken away.
  returned: when O(state=tagged) or O(state=absent)
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore
from ansible_collections.bakery.images.plugins.module_utils.oci_image import ImageRequest, compose, layout_of
from ansible_collections.bakery.images.plugins.module_utils.oci_layout import checked_name
from ansible_collections.bakery.images.plugins.module_utils.wire import run_module

CONFIG_OPTIONS: dict[str, Any] = {
    "entrypoint": {"type": "raw"},
    "cmd": {"type": "raw"},
    "env": {"type": "raw"},
    "ports": {"type": "list", "elements": "str"},
    "labels": {"type": "dict"},
    "user": {"type": "str"},
    "workdir": {"type": "str"},
    "healthcheck": {"type": "dict"},
    "stop_signal": {"type": "str"},
    "volumes": {"type": "list", "elements": "str"},
}


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure,
        argument_spec={
            "state": {"type": "str", "choices": ["present", "tagged", "absent"], "default": "present"},
            "name": {"type": "str"},
            "layers": {"type": "list", "elements": "str"},
            "epoch": {"type": "int", "default": 0},
            "config": {"type": "dict", "default": {}, "options": CONFIG_OPTIONS},
            "base_config": {"type": "dict", "default": {}},
            "history": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "layer": {"type": "str", "required": True},
                    "created_by": {"type": "str", "required": True},
                },
            },
            "base_name": {"type": "str"},
            "base_digest": {"type": "str"},
            "annotations": {"type": "dict", "default": {}},
            "fingerprint": {"type": "str"},
            "compression": {"type": "str", "choices": ["gzip", "zstd"], "default": "gzip"},
            "architecture": {"type": "str"},
            "image": {"type": "str"},
            "names": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[
            ("state", "present", ("name", "layers")),
            ("state", "tagged", ("image", "names")),
            ("state", "absent", ("image", "names"), True),
        ],
    )


def ensure(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Bring the image into O(state)."""
    of_state = {"present": ensure_present, "tagged": ensure_tagged, "absent": ensure_absent}
    store = LayerStore(os.path.join(params["home"], "container"))
    return of_state[params["state"]](store, params, apply=apply)


def ensure_present(store: LayerStore, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Compose the image; in check mode only see that its layers are there."""
    request = ImageRequest(
        name=params["name"],
        layers=tuple(params["layers"]),
        epoch=params["epoch"],
        config={key: value for key, value in params["config"].items() if value is not None},
        base_config=params["base_config"],
        history={entry["layer"]: entry["created_by"] for entry in params["history"]},
        annotations={**base_annotations(params), **params["annotations"]},
        fingerprint=params["fingerprint"],
        compression=params["compression"],
        architecture=params["architecture"],
    )
    checked_name(request.name)
    for layer_id in request.layers:
        store.record(layer_id)
    if not apply:
        return {"changed": True}
    artifact, changed = compose(store, request)
    return {"changed": changed, "artifact": artifact}


def base_annotations(params: dict[str, Any]) -> dict[str, str]:
    """What image-spec 1.1, annotations.md, has for the base."""
    keys = {"base_name": "base.name", "base_digest": "base.digest"}
    return {f"org.opencontainers.image.{key}": params[ours] for ours, key in keys.items() if params[ours]}


def ensure_tagged(store: LayerStore, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Let the names mean the image."""
    layout = layout_of(store)
    names = [checked_name(name) for name in params["names"]]
    digest = layout.image(params["image"]).digest
    known = layout.names()
    changed = any(known.get(name) != digest for name in names)
    if apply and changed:
        layout.tag(digest, names)
    location = f"oci:{layout.path}:{names[-1]}" if names else None
    return {"changed": changed, "names": names, "location": location}


def ensure_absent(store: LayerStore, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Take names, or an image with its names, out of the index."""
    layout = layout_of(store)
    known = layout.names()
    names = {checked_name(name) for name in params["names"]} & known.keys()
    digests = set()
    if params["image"] is not None:
        digests = {entry["digest"] for entry in layout.descriptors()} & set(layout.find(params["image"]))
    changed = bool(names or digests)
    if apply and names:
        layout.untag(sorted(names))
    if apply and digests:
        layout.drop(digests)
    gone = names | {name for name, digest in known.items() if digest in digests}
    return {"changed": changed, "names": sorted(gone)}


if __name__ == "__main__":
    main()
