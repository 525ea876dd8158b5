# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was baked: verified images of this account, found by their tags, with their copies elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import (
    COPY_OF,
    artifact_of,
    own_images,
    tags_of,
)

_AVAILABLE = {"Name": "state", "Values": ["available"]}


def find_baked(aws: Aws, fingerprint: str, *, role_set: str, regions: Sequence[str]) -> dict[str, Any]:
    """The newest verified image with the fingerprint, as an artifact with its copies; or an empty one."""
    image = next(iter(_verified(aws, fingerprint, role_set)), None)
    if image is None:
        return {}
    copies = []
    for region in regions:
        if region == aws.region:
            continue
        there = _verified(aws.in_region(region), fingerprint, role_set)
        copies += [
            artifact_of(copy, region) for copy in there if tags_of(copy).get(COPY_OF) == image["ImageId"]
        ][:1]
    return {**artifact_of(image, aws.region), "regions": copies}


def _verified(aws: Aws, fingerprint: str, role_set: str) -> list[dict[str, Any]]:
    filters = [
        ec2_tags.having(ec2_tags.FINGERPRINT, fingerprint),
        ec2_tags.having(ec2_tags.STATUS, ec2_tags.VERIFIED),
        _AVAILABLE,
    ]
    if role_set:
        filters.append(ec2_tags.having(ec2_tags.ROLE_SET, role_set))
    return own_images(aws, f"look for a verified image with fingerprint {fingerprint[:12]}", filters)
