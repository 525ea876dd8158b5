# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is looked up, and refused, before an instance is launched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import find_image
from ansible_collections.bakery.images.plugins.module_utils.ec2_launch_plan import (
    Attempt,
    Subnet,
    launch_plan,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_names import refuse_taken
from ansible_collections.bakery.images.plugins.module_utils.ec2_network import caller_cidr, find_subnets
from ansible_collections.bakery.images.plugins.module_utils.ec2_request import (
    SourceImage,
    Wanted,
    check_volume,
    read_image,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_sharing import refuse_unshareable
from ansible_collections.bakery.images.plugins.module_utils.failure import BaseGone, MachineFailure


@dataclass(frozen=True)
class Intent:
    """What is to become of a machine: an image of this name, if one was chosen, and copies in these regions.

    ``shared`` says whether others are to use them all. Each region has the options of its copy.
    """

    name: str = ""
    regions: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    shared: bool = False


@dataclass(frozen=True)
class Prepared:
    """All that is known before anything is made; ``regions`` are those where something may be made later."""

    wanted: Wanted
    image: SourceImage
    plan: tuple[Attempt, ...]
    cidr: str | None
    regions: tuple[str, ...] = ()

    @property
    def subnet(self) -> Subnet:
        return self.plan[0].subnet


def prepare(aws: Aws, wanted: Wanted, intent: Intent) -> Prepared:
    """Look up what a launch needs, and change nothing.

    MachineFailure if it cannot work, or what is to become of the machine cannot.
    """
    if intent.shared:
        volume = wanted.volume
        refuse_unshareable(
            aws, encrypted=bool(volume.encrypted), kms_key=volume.kms_key or "", regions=intent.regions
        )
    if intent.name:
        refuse_taken(aws, intent.name, intent.regions)
    image = _image(aws, wanted)
    check_volume(wanted.volume, image)
    subnets = find_subnets(aws, wanted.network.subnets)
    types = wanted.instance_types or (image.usual_type,)
    cidr = None
    if not wanted.network.security_groups:
        cidr = caller_cidr(aws, wanted.login, wanted.network.caller_cidr, subnet=subnets[0])
    plan = launch_plan(types, subnets, wanted.markets)
    return Prepared(wanted, image, plan, cidr, regions=tuple(intent.regions))


def _image(aws: Aws, wanted: Wanted) -> SourceImage:
    described = find_image(aws, wanted.image)
    if described is None:
        gone = BaseGone if wanted.kind == "bake" else MachineFailure
        raise gone(f"{aws.region} has no image {wanted.image} any more, or it is not shared with us")
    if described.get("State", "available") != "available":
        raise MachineFailure(f"image {wanted.image} is {described['State']}; only an available one boots")
    return read_image(described)
