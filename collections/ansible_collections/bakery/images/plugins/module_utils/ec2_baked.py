# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was baked: verified images of this account, found by their tags, with their copies elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import (
    COPY_OF,
    artifact_of,
    own_images,
    tags_of,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_sharing import Audience, SharedImage

_AVAILABLE = {"Name": "state", "Values": ["available"]}


@dataclass(frozen=True)
class Recipe:
    """What an image is looked for by; an empty part may be anything."""

    fingerprint: str
    checks: str = ""
    role_set: str = ""


def find_baked(aws: Aws, recipe: Recipe, *, regions: Sequence[str]) -> dict[str, Any]:
    """The newest verified image of the recipe, as an artifact with its copies; or an empty one."""
    image = next(iter(_verified(aws, recipe)), None)
    if image is None:
        return {}
    copies = []
    for region in regions:
        if region == aws.region:
            continue
        there = _verified(aws.in_region(region), recipe)
        copies += [
            artifact_of(copy, region) for copy in there if tags_of(copy).get(COPY_OF) == image["ImageId"]
        ][:1]
    passed = tags_of(image).get(ec2_tags.PASSED, "")
    found = {**artifact_of(image, aws.region), "regions": copies}
    return {**found, "checks_passed": int(passed) if passed.isdigit() else 0}


def find_unfinished(
    aws: Aws, found: Mapping[str, Any], *, regions: Sequence[str], audience: Audience
) -> list[str]:
    """What was left undone when an image that ``find_baked`` found was handed out, as ends of sentences."""
    there = {one["region"]: one["id"] for one in (found, *found["regions"])}
    undone = [f"it is not in {region}" for region in regions if region not in there]
    for region, image_id in there.items() if audience else ():
        image = SharedImage(aws.in_region(region), image_id)
        if image.observed() != image.wanted(audience):
            undone.append(f"{image_id} in {region} is not shared as it should be")
    return undone


def _verified(aws: Aws, recipe: Recipe) -> list[dict[str, Any]]:
    filters = [
        ec2_tags.having(ec2_tags.FINGERPRINT, recipe.fingerprint),
        ec2_tags.having(ec2_tags.STATUS, ec2_tags.VERIFIED),
        _AVAILABLE,
    ]
    if recipe.role_set:
        filters.append(ec2_tags.having(ec2_tags.ROLE_SET, recipe.role_set))
    if recipe.checks:
        filters.append(ec2_tags.having(ec2_tags.CHECKS, recipe.checks))
    about = f"look for a verified image with fingerprint {recipe.fingerprint[:12]}"
    return own_images(aws, about, filters)
