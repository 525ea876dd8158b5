# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing an image that exists into the state of a verified one: tags, deprecation, protection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws, known_by_now
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import (
    find_image,
    look_at_snapshots,
    snapshots_of,
    tags_of,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

# EC2 keeps minutes of a deprecation time.
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Verified:
    """What is wanted of a verified image; ``name`` is its tag Name, or empty to leave that.

    ``checks`` is the digest of the checks that it passed, ``passed`` their number.
    """

    name: str = ""
    checks: str = ""
    passed: int = 0
    deprecate_after_days: int | None = None
    protect: bool = False


@dataclass(frozen=True)
class Change:
    """One call that is needed, and what it is for."""

    what: str
    make: Callable[[], object]


class ImageState:
    """One image as it is now."""

    def __init__(self, aws: Aws, image_id: str) -> None:
        self._aws = aws
        image = find_image(aws, image_id)
        if image is None:
            raise MachineFailure(f"there is no image {image_id} in {aws.region}")
        if image["State"] != "available":
            raise MachineFailure(f"image {image_id} is {image['State']}, which is not verified")
        self.image: Mapping[str, Any] = image
        self._id = image_id

    def changes(self, verified: Verified) -> list[Change]:
        """The calls that bring the image into the wanted state; none where it is so."""
        return [
            *self._tags(verified),
            *self._deprecation(verified.deprecate_after_days),
            *self._protection(verified.protect),
        ]

    def _tags(self, verified: Verified) -> list[Change]:
        """Verified things belong to nobody's bake any more, so they do not expire."""
        wanted = {ec2_tags.STATUS: ec2_tags.VERIFIED}
        if verified.name:
            wanted["Name"] = verified.name
        if verified.checks:
            wanted |= {ec2_tags.CHECKS: verified.checks, ec2_tags.PASSED: str(verified.passed)}
        snapshots = look_at_snapshots(self._aws, snapshots_of(self.image))
        things = {
            self._id: tags_of(self.image),
            **{one["SnapshotId"]: tags_of(one) for one in snapshots},
        }
        unmarked = [thing for thing, tags in things.items() if not wanted.items() <= tags.items()]
        expiring = [thing for thing, tags in things.items() if ec2_tags.EXPIRES in tags]
        changes = []
        if unmarked:
            changes.append(Change("tags", lambda: self._mark(unmarked, wanted)))
        if expiring:
            changes.append(Change("expiry", lambda: self._keep(expiring)))
        return changes

    def _mark(self, things: list[str], tags: Mapping[str, str]) -> None:
        about = f"tag {', '.join(things)}"
        known_by_now(
            lambda: self._aws.call("create_tags", about, Resources=things, Tags=ec2_tags.to_list(tags))
        )

    def _keep(self, things: list[str]) -> None:
        about = f"take the expiry off {', '.join(things)}"
        self._aws.call("delete_tags", about, Resources=things, Tags=[{"Key": ec2_tags.EXPIRES}])

    def _deprecation(self, days: int | None) -> list[Change]:
        if days is None:
            return []
        made = datetime.fromisoformat(self.image["CreationDate"])
        wanted = (made if made.tzinfo else made.replace(tzinfo=UTC)) + timedelta(days=days)
        now = self.image.get("DeprecationTime")
        if now and abs(datetime.fromisoformat(now) - wanted) <= _MINUTE:
            return []
        about = f"have image {self._id} deprecated at {wanted:%Y-%m-%d}"
        return [
            Change(
                "deprecation",
                lambda: self._aws.call(
                    "enable_image_deprecation",
                    about,
                    ImageId=self._id,
                    DeprecateAt=wanted.replace(second=0, microsecond=0),
                ),
            )
        ]

    def _protection(self, wanted: bool) -> list[Change]:  # noqa: FBT001  # an option's value
        protected = str(self.image.get("DeregistrationProtection", "")).startswith("enabled")
        if protected or not wanted:
            return []
        about = f"protect image {self._id} from being deregistered"
        return [
            Change(
                "protection",
                lambda: self._aws.call("enable_image_deregistration_protection", about, ImageId=self._id),
            )
        ]
