#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make an AMI of a machine, mark it as verified, or remove it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_image
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Make an AMI of a machine, mark it as verified, or remove it
description:
  - Stops the instance of a machine and makes an AMI of it, waits until the AMI can be used, and says what
    became of it. An AMI is never made of a running instance, whose file systems would look as after a crash.
  - The AMI and its snapshots have their tags from the moment they exist. An AMI counts as unverified until
    O(state=tagged).
  - The instance is terminated as soon as every snapshot of the AMI is complete. Until then its volumes stay.
  - If anything goes wrong, or the module is interrupted, the AMI and its snapshots are removed again.
extends_documentation_fragment:
  - bakery.images.ec2
  - bakery.images.machine_owner
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
options:
  state:
    description:
      - V(present) makes the AMI, or goes on with one of the same machine.
      - V(tagged) marks the AMI O(image) as verified, with its snapshots, and sets what
        O(deprecate_after_days) and O(protect) ask for.
      - V(absent) deregisters the AMI O(image) and deletes its snapshots, but for those that another AMI has.
    type: str
    choices: [present, tagged, absent]
    default: present
  home:
    description:
      - Directory of all that bakery keeps. The id of the AMI is written into the machine's journal there the
        moment EC2 tells it. Needed for O(state=present).
      - What M(bakery.images.ec2_seal) saw in the machine is kept there as what is in the AMI, until
        O(state=absent) is told the same directory.
    type: path
  id:
    description: Name of the machine. Needed for O(state=present).
    type: str
  name:
    description:
      - Name of the AMI, unique in the account and region. It is looked at before anything is stopped.
      - The default is C(bakery-), O(role_set) and the beginning of O(fingerprint), with another word after
        it if that was baked before.
    type: str
    default: ''
  description:
    description: Description of the AMI.
    type: str
    default: ''
  fingerprint:
    description: Fingerprint of all inputs, for the tag C(bakery:fingerprint).
    type: str
    default: ''
  role_set:
    description: The role set, for the tag C(bakery:role-set).
    type: str
    default: ''
  project:
    description: The project, for the tag C(bakery:project).
    type: str
    default: ''
  base:
    description:
      - The config of the base, as M(bakery.images.ec2_image_info) tells it.
      - An AMI whose boot mode, network driver (ENA), metadata service or TPM is not as the base's is refused.
    type: dict
    default: {}
  regions:
    description: Other regions, in which the AMI's name must be free because copies will have it.
    type: list
    elements: str
    default: []
  timeout_min:
    description: How long it may take until the AMI can be used, in minutes.
    type: float
    default: 60
  image:
    description: Id of the AMI for O(state=tagged) and O(state=absent).
    type: str
  checks_digest:
    description: Digest of the checks that the image passed, for its tag, with O(state=tagged).
    type: str
    default: ''
  checks_passed:
    description: Number of the checks that the image passed, for its tag, with O(state=tagged).
    type: int
    default: 0
  names:
    description: Names such as C(web:latest); the last one becomes the tag C(Name) of a verified AMI.
    type: list
    elements: str
    default: []
  deprecate_after_days:
    description: When a verified AMI is deprecated, in days after it was made.
    type: int
  protect:
    description: Whether a verified AMI is protected from being deregistered. V(false) leaves that as it is.
    type: bool
    default: false
seealso:
  - module: bakery.images.ec2_image_copy
  - module: bakery.images.ec2_image_share
"""

EXAMPLES = r"""
- name: Make an AMI of a machine
  bakery.images.ec2_image:
    home: /var/lib/bakery
    id: web-1
    role_set: web
    fingerprint: "{{ fingerprint }}"
    base: "{{ resolved.base.config }}"
  register: captured

- name: Mark it as verified
  bakery.images.ec2_image:
    state: tagged
    image: "{{ captured.artifact.id }}"
    names: ["web:latest"]
    deprecate_after_days: 90

- name: Remove it
  bakery.images.ec2_image:
    state: absent
    image: "{{ captured.artifact.id }}"
"""

RETURN = r"""
artifact:
  description: The AMI.
  returned: when O(state=present) or O(state=tagged), and the AMI exists
  type: dict
  contains:
    kind:
      description: Always V(ami).
      type: str
    id:
      description: Id of the AMI.
      type: str
    digest:
      description: Id of the AMI; other content has another id.
      type: str
    location:
      description: Where it is, C(ec2:REGION:ID).
      type: str
    region:
      description: The region it is in.
      type: str
    account:
      description: The account that owns it.
      type: str
    base_image:
      description: Id of the AMI that it was baked on.
      type: str
    snapshots:
      description: Ids of its snapshots.
      type: list
      elements: str
    name:
      description: Its name.
      type: str
    paths:
      description: Always empty; nothing of it is on this host.
      type: list
      elements: str
    sizes:
      description: Always empty.
      type: list
      elements: int
    packages:
      description: Each package in it as a pair of name and version.
      returned: when O(state=present) and M(bakery.images.ec2_seal) looked into the machine
      type: list
      elements: list
    sealed:
      description: What sealing took away, as M(bakery.images.container_layer) tells it of a layer.
      returned: when O(state=present) and M(bakery.images.ec2_seal) looked into the machine
      type: dict
    contents:
      description: The file that has its packages and files; see M(bakery.images.ec2_contents).
      returned: when O(state=present) and M(bakery.images.ec2_seal) looked into the machine
      type: str
names:
  description: The names that mean the AMI.
  returned: when O(state=tagged)
  type: list
  elements: str
location:
  description: Where the AMI is, C(ec2:REGION:ID).
  returned: when O(state=tagged)
  type: str
snapshots:
  description: Ids of the snapshots that were deleted.
  returned: when O(state=absent)
  type: list
  elements: str
"""

import os
import time
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_capture import Capture, ImageMaker
from ansible_collections.bakery.images.plugins.module_utils.ec2_contents import ImageContents
from ansible_collections.bakery.images.plugins.module_utils.ec2_image_state import ImageState, Verified
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import (
    artifact_of,
    find_image,
    remove_image,
    snapshots_of,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_looks import Looks
from ansible_collections.bakery.images.plugins.module_utils.ec2_names import image_names
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner
from ansible_collections.bakery.images.plugins.module_utils.wire import (
    OWNER_OPTIONS,
    REGION_OPTION,
    run_module,
)


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    run_module(
        make_module,
        ensure,
        common=REGION_OPTION,
        argument_spec={
            "state": {"type": "str", "choices": ["present", "tagged", "absent"], "default": "present"},
            "home": {"type": "path"},
            "id": {"type": "str"},
            "name": {"type": "str", "default": ""},
            "description": {"type": "str", "default": ""},
            "fingerprint": {"type": "str", "default": ""},
            "role_set": {"type": "str", "default": ""},
            "project": {"type": "str", "default": ""},
            "base": {"type": "dict", "default": {}},
            "regions": {"type": "list", "elements": "str", "default": []},
            "timeout_min": {"type": "float", "default": 60},
            "image": {"type": "str"},
            "names": {"type": "list", "elements": "str", "default": []},
            "checks_digest": {"type": "str", "default": ""},
            "checks_passed": {"type": "int", "default": 0, "no_log": False},
            "deprecate_after_days": {"type": "int"},
            "protect": {"type": "bool", "default": False},
            **OWNER_OPTIONS,
        },
        required_if=[
            ("state", "present", ("home", "id")),
            ("state", "tagged", ("image",)),
            ("state", "absent", ("image",)),
        ],
    )


def ensure(params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Bring the image into O(state)."""
    of_state = {"present": ensure_present, "tagged": ensure_tagged, "absent": ensure_absent}
    return of_state[params["state"]](Aws(params["region"]), params, apply=apply)


def ensure_present(aws: Aws, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Make the image of the machine; in check mode only see that it can have its name."""
    capture = wanted(params)
    looks = Looks(aws, Machines(os.path.join(params["home"], "ec2")).shared("looks"))
    maker = ImageMaker(aws, capture, journal_of(params["home"], params["id"]), looks=looks)
    if not apply:
        return {"changed": maker.find() is None}
    captured = maker.make()
    artifact = artifact_of(captured.image, aws.region)
    contents = contents_below(params["home"]).keep(params["id"], artifact["id"])
    return {
        "changed": captured.changed,
        "artifact": {**artifact, **contents},
        "warnings": captured.warnings,
    }


def contents_below(home: str) -> ImageContents:
    """What is known of images in bakery's directory."""
    return ImageContents(os.path.join(home, "ec2"))


def journal_of(home: str, machine_id: str) -> Callable[[str], None]:
    """A function that writes an image's id into the machine's journal, if it has one on this host."""
    machines = Machines(os.path.join(home, "ec2"))

    def write(image_id: str) -> None:
        journal = machines.find(machine_id)
        if journal is not None:
            machines.update(journal, details={**journal.details, "image": image_id})

    return write


def wanted(params: dict[str, Any]) -> Capture:
    """What to make, by the module's options."""
    owner = Owner.from_wire(params["owner"])
    names = image_names(
        params["name"],
        role_set=params["role_set"],
        fingerprint=params["fingerprint"],
        machine_id=params["id"],
    )
    tags = {
        **ec2_tags.owned(
            params["id"], owner, expires=time.time() + params["ttl_s"], role_set=params["role_set"]
        ),
        ec2_tags.FINGERPRINT: params["fingerprint"],
        ec2_tags.PROJECT: params["project"],
        ec2_tags.SOURCE_IMAGE: params["base"].get("image", ""),
        ec2_tags.STATUS: ec2_tags.UNVERIFIED,
        "Name": names[0],
    }
    return Capture(
        machine_id=params["id"],
        names=names,
        tags={key: value for key, value in tags.items() if value},
        base=params["base"],
        description=params["description"],
        timeout_s=params["timeout_min"] * 60,
        regions=tuple(params["regions"]),
    )


def ensure_tagged(aws: Aws, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Mark the image as verified, and the like."""
    image_id, names = params["image"], params["names"]
    verified = Verified(
        name=names[-1] if names else "",
        checks=params["checks_digest"],
        passed=params["checks_passed"],
        deprecate_after_days=params["deprecate_after_days"],
        protect=params["protect"],
    )
    state = ImageState(aws, image_id)
    changes = state.changes(verified)
    if apply:
        for change in changes:
            change.make()
    return {
        "changed": bool(changes),
        "names": names,
        "location": f"ec2:{aws.region}:{image_id}",
        "artifact": artifact_of(state.image, aws.region),
    }


def ensure_absent(aws: Aws, params: dict[str, Any], *, apply: bool) -> dict[str, Any]:
    """Deregister the image and delete its snapshots."""
    image = find_image(aws, params["image"])
    snapshots = snapshots_of(image) if image else []
    kept = remove_image(aws, image["ImageId"], snapshots) if image and apply else []
    if params["home"] and apply:
        contents_below(params["home"]).forget([params["image"]])
    if image is None:
        return {"changed": False, "snapshots": []}
    return {
        "changed": True,
        "snapshots": [snapshot for snapshot in snapshots if snapshot not in kept],
        "warnings": [f"snapshot {snapshot} stays: another image has it" for snapshot in kept],
    }


if __name__ == "__main__":
    main()
