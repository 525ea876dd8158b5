#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a base for container images."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_base
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Make the base of container images
description:
  - Makes a base once, from Debian or Ubuntu packages or from an OCI image, and remembers it by its source.
  - Of several callers that want the same base at once, one makes it and the others wait.
  - A base from the same set of packages has the same digest, whenever and wherever it is made.
extends_documentation_fragment:
  - bakery.images.home.container
  - bakery.images.home
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
requirements:
  - mmdebstrap, for O(debian)
  - skopeo, for registries and docker archives in O(oci)
options:
  name:
    description: What the base is called.
    type: str
    required: true
  debian:
    description: Make the base from packages of Debian or Ubuntu.
    type: dict
    suboptions:
      suite:
        description: Code name of the release.
        type: str
        required: true
      components:
        description: Components of the archive.
        type: list
        elements: str
        default: [main]
      packages:
        description: Packages in addition to those that Ansible and systemd need.
        type: list
        elements: str
        default: []
      systemd:
        description: Whether machines on this base boot systemd.
        type: bool
        default: true
      mirror:
        description: Mirror to use instead of the one that C(mmdebstrap) knows for the suite.
        type: str
      keyring:
        description: Keyring of the archive, instead of the one that C(mmdebstrap) knows for the suite.
        type: path
      variant:
        description: Variant of C(mmdebstrap).
        type: str
        default: minbase
  oci:
    description: Make the base from an OCI image.
    type: dict
    suboptions:
      reference:
        description:
          - The image, as C(docker://NAME:TAG), C(oci:DIRECTORY:TAG), C(oci-archive:FILE) or
            C(docker-archive:FILE).
          - A tag is resolved to a digest when the base is made, and that digest stays until it is refreshed.
        type: str
        required: true
  machine_id:
    description:
      - Name of the machine that a new base is made in.
      - It is gone when the module ends, unless the module is killed.
    type: str
  refresh:
    description: Make the base anew although it is remembered.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Make a Debian base that boots systemd
  bakery.images.container_base:
    home: /var/lib/bakery
    name: debian-12
    debian:
      suite: bookworm

- name: Take an image from a registry as base
  bakery.images.container_base:
    home: /var/lib/bakery
    name: slim
    oci:
      reference: docker://registry.example.com/debian:12-slim
"""

RETURN = r"""
base:
  description: The base.
  returned: when it exists, so not in check mode before it was made
  type: dict
  contains:
    name:
      description: As given.
      type: str
    layers:
      description: Its layers, lowest first, each with id, digest, size and blob.
      type: list
      elements: dict
    digest:
      description: Digest of its content, over the digests of its layers and its configuration.
      type: str
    epoch:
      description: Newest time in it, in seconds since 1970.
      type: int
    architecture:
      description: Architecture in the words of OCI.
      type: str
    systemd:
      description: Whether it boots systemd.
      type: bool
    config:
      description: Configuration of the OCI image it came from.
      type: dict
    resolved:
      description: The exact source it was made from.
      type: str
    created:
      description: When it was made (RFC 3339).
      type: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.base_store import BaseRequest, BaseStore
from ansible_collections.bakery.images.plugins.module_utils.debian_base import DebianSpec
from ansible_collections.bakery.images.plugins.module_utils.privilege import require_root
from ansible_collections.bakery.images.plugins.module_utils.wire import run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure_base,
        argument_spec={
            "name": {"type": "str", "required": True},
            "debian": {
                "type": "dict",
                "options": {
                    "suite": {"type": "str", "required": True},
                    "components": {"type": "list", "elements": "str", "default": ["main"]},
                    "packages": {"type": "list", "elements": "str", "default": []},
                    "systemd": {"type": "bool", "default": True},
                    "mirror": {"type": "str"},
                    "keyring": {"type": "path"},
                    "variant": {"type": "str", "default": "minbase"},
                },
            },
            "oci": {"type": "dict", "options": {"reference": {"type": "str", "required": True}}},
            "refresh": {"type": "bool", "default": False},
            "machine_id": {"type": "str"},
        },
        mutually_exclusive=[("debian", "oci")],
        required_one_of=[("debian", "oci")],
    )


def ensure_base(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Find the base or make it."""
    require_root("making a base")
    request = BaseRequest(
        name=params["name"],
        debian=DebianSpec.from_wire(params["debian"]) if params["debian"] else None,
        oci=params["oci"]["reference"] if params["oci"] else None,
        machine_id=params["machine_id"] or "",
    )
    bases = BaseStore(os.path.join(params["home"], "container"))
    before = bases.find(request)
    if before and not params["refresh"]:
        return {"changed": False, "base": before}
    if not apply:
        return {"changed": True}
    with bases.locked(request):
        now = bases.find(request)
        if now and now != before:
            return {"changed": False, "base": now}  # somebody else made it while we waited
        base = bases.make(request)
    return {"changed": before is None or before["digest"] != base["digest"], "base": base}


if __name__ == "__main__":
    main()
