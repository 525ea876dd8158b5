#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write an image to an archive, or put it into podman's store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_export
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Export an image to an archive or to podman
description:
  - Writes an image of bakery's store to an OCI or docker archive, which C(podman load) and skopeo read (and
    C(docker load) the latter), or imports it into podman's own store.
  - The same image gives the same archive, byte for byte.
extends_documentation_fragment:
  - bakery.images.home.container
  - bakery.images.home
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
attributes:
  check_mode:
    support: partial
    details: For archives it is only told whether the file is missing, not whether it would differ.
requirements:
  - podman for O(format=podman)
options:
  image:
    description: An image in the store, by name, digest or the beginning of a digest.
    type: str
    required: true
  format:
    description: What to export to.
    type: str
    choices: [oci-archive, docker-archive, podman]
    default: oci-archive
  path:
    description: File to write. Needed for the archives; its directory must exist.
    type: path
  names:
    description:
      - Names, each C(NAME:TAG). In podman's store the image gets all of them, after C(localhost/); in an
        archive it has the first.
      - The default is the names that it has in the store.
    type: list
    elements: str
    default: []
seealso:
  - module: bakery.images.container_image
"""

EXAMPLES = r"""
- name: Write an archive for docker load
  bakery.images.container_export:
    home: /var/lib/bakery
    image: web:latest
    format: docker-archive
    path: /srv/images/web.tar

- name: Put the image into podman's store
  bakery.images.container_export:
    home: /var/lib/bakery
    image: web:latest
    format: podman
"""

RETURN = r"""
exported:
  description: The archive.
  returned: for the archives, not in check mode
  type: dict
  contains:
    path:
      description: The file.
      type: str
    format:
      description: Its format.
      type: str
    bytes:
      description: Its size.
      type: int
    digest:
      description: Digest of the image's manifest in the store.
      type: str
    names:
      description: The name inside.
      type: list
      elements: str
loaded:
  description: The image in podman's store.
  returned: when O(format=podman)
  type: dict
  contains:
    names:
      description: Its names there.
      type: list
      elements: str
    id:
      description: Its id there.
      type: str
    run:
      description: A command that runs it.
      type: str
"""

import os
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore
from ansible_collections.bakery.images.plugins.module_utils.oci_archive import export
from ansible_collections.bakery.images.plugins.module_utils.oci_image import layout_of, run_command
from ansible_collections.bakery.images.plugins.module_utils.oci_layout import Image, checked_name
from ansible_collections.bakery.images.plugins.module_utils.podman_images import (
    engine_name,
    load_into_podman,
    missing_names,
)
from ansible_collections.bakery.images.plugins.module_utils.wire import run_module


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure,
        argument_spec={
            "image": {"type": "str", "required": True},
            "format": {
                "type": "str",
                "choices": ["oci-archive", "docker-archive", "podman"],
                "default": "oci-archive",
            },
            "path": {"type": "path"},
            "names": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[("format", "oci-archive", ("path",)), ("format", "docker-archive", ("path",))],
    )


def ensure(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Bring the image to where O(format) says."""
    store = LayerStore(os.path.join(params["home"], "container"))
    image = layout_of(store).image(params["image"])
    job = Job(store, image, names_of(store, image, params["names"]))
    if params["format"] == "podman":
        return ensure_loaded(job, apply=apply)
    return ensure_archived(job, params, apply=apply)


@dataclass(frozen=True)
class Job:
    """An image and the names it shall have outside."""

    store: LayerStore
    image: Image
    names: list[str]


def names_of(store: LayerStore, image: Image, wanted: list[str]) -> list[str]:
    """The names to use: those asked for, else those in the store, else the image's title."""
    if wanted:
        return [checked_name(name) for name in wanted]
    known = [name for name, digest in layout_of(store).names().items() if digest == image.digest]
    title = image.manifest.get("annotations", {}).get("org.opencontainers.image.title", "image")
    # An archive has one name: 'latest' says more to people than a fingerprint.
    return sorted(known, key=lambda name: (not name.endswith(":latest"), name)) or [checked_name(title)]


def ensure_loaded(job: Job, *, apply: bool) -> dict[str, Any]:
    """Put the image into podman's store unless all names mean it there."""
    missing = missing_names(job.image, job.names)
    if missing and apply:
        load_into_podman(job.store, job.image, job.names)
    loaded = {
        "names": [engine_name(name) for name in job.names],
        "id": job.image.config_digest,
        "run": run_command(engine_name(job.names[0]), job.image.config.get("config", {})),
    }
    return {"changed": bool(missing), "loaded": loaded}


def ensure_archived(job: Job, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Write the archive; in check mode only say whether there is no such file."""
    path, kind = params["path"], params["format"]
    if not apply:
        return {"changed": not os.path.exists(path)}
    size, changed = export(layout_of(job.store), job.image, path=path, kind=kind, name=job.names[0])
    exported = {
        "path": path,
        "format": kind,
        "bytes": size,
        "digest": job.image.digest,
        "names": job.names[:1],
    }
    return {"changed": changed, "exported": exported}


if __name__ == "__main__":
    main()
