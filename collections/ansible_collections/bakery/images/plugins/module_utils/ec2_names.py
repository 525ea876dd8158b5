# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of images, which are unique in an account and region: which ones are possible, and whose one is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import images_named, tags_of
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

# CreateImage, parameter Name.
_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}\Z")


def image_names(wanted: str, *, role_set: str, fingerprint: str, machine_id: str) -> tuple[str, ...]:
    """Names that the image may have, best first. A name that somebody chose is the only one."""
    if wanted:
        return (checked_name(wanted),)
    name = "-".join(part for part in ("bakery", role_set, fingerprint[:12]) if part)
    again = sha256(machine_id.encode()).hexdigest()[:6]  # the same role set was baked before
    return checked_name(name), checked_name(f"{name}-{again}")


def checked_name(name: str) -> str:
    """``name``, if EC2 takes it as the name of an image."""
    if not _NAME.match(name):
        raise MachineFailure(
            f"'{name}' cannot be the name of an image: 3 to 128 letters, digits, spaces and ()[]./-'@_ can"
        )
    return name


def holders_of(aws: Aws, name: str, regions: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The images of that name, by region: here, and where copies will need it too."""
    found = {}
    for region in dict.fromkeys((aws.region, *regions)):
        here = images_named(aws.in_region(region), name)
        if here:
            found[region] = here[0]
    return found


def name_is_taken(name: str, holders: Mapping[str, Mapping[str, Any]]) -> MachineFailure | None:
    """What to say of a name that is taken; None if it is free."""
    for region, holder in holders.items():
        tags = tags_of(holder)
        where = f"the name '{name}' is taken in {region} by {holder['ImageId']}"
        if ec2_tags.MACHINE in tags and tags.get(ec2_tags.STATUS) != ec2_tags.VERIFIED:
            return MachineFailure(
                f"{where}, which another bake made and did not verify; wait for it, or run 'bakery sweep' if "
                "it is gone"
            )
        return MachineFailure(f"{where}; choose another image name, or deregister that image")
    return None


def refuse_taken(aws: Aws, name: str, regions: Iterable[str]) -> None:
    """MachineFailure if a new image cannot have that name in one of the regions."""
    taken = name_is_taken(name, holders_of(aws, checked_name(name), regions))
    if taken:
        raise taken
