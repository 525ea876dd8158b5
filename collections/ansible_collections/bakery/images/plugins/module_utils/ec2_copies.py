# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of an image in other regions, made at the same time; what fails leaves nothing half made.

A copy carries the tags of its original. It is unverified and belongs to whoever makes it until it is
complete, so that a sweep finds what a killed process leaves.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws, AwsFailure, pauses
from ansible_collections.bakery.images.plugins.module_utils.ec2_image_state import ImageState, Verified
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import (
    COPY_OF,
    NAME_TAKEN,
    find_image,
    look_at_snapshots,
    own_images,
    progress_of,
    reason_of,
    remove_image,
    snapshots_of,
    snapshots_tagged,
    tags_of,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.interruptions import noticed
from ansible_collections.bakery.images.plugins.module_utils.progress import Teller

# The kernel gives a signal to any thread, and Python handles it in the main one: that never sleeps for long.
_ATTENTION_S = 0.2
_FAILED_STATES = frozenset({"failed", "error", "invalid"})
# Image copies may be unknown for as long as this after they were asked for.
_UNKNOWN_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Destination:
    """A region to copy to. With a key, or if ``encrypted``, its snapshots are encrypted there."""

    region: str
    kms_key: str | None = None
    encrypted: bool | None = None


@dataclass(frozen=True)
class Copying:
    """What to copy: ``image`` as EC2 tells of it in ``region``; ``owner`` are tags of whoever does it."""

    image: Mapping[str, Any]
    region: str
    owner: Mapping[str, str]
    verified: Verified
    timeout_s: float = 3600.0

    @property
    def tags(self) -> dict[str, str]:
        """The tags of a copy while it is made."""
        kept = {key: value for key, value in tags_of(self.image).items() if not key.startswith("aws:")}
        return {**kept, **self.owner, COPY_OF: self.image["ImageId"], ec2_tags.STATUS: ec2_tags.UNVERIFIED}

    def token(self, destination: Destination) -> str:
        """Names this request, so that one whose answer was lost is not carried out twice."""
        words = (self.image["ImageId"], destination.region, destination.kms_key or "", str(self.owner))
        return hashlib.sha256("\n".join(words).encode()).hexdigest()


@dataclass(frozen=True)
class Copied:
    """A copy: the image as EC2 tells of it in ``region``."""

    region: str
    image: Mapping[str, Any]
    changed: bool


class _Stopped(Exception):
    """Another thread's trouble: the process is to end."""


def copies_there(aws: Aws, image_id: str) -> list[dict[str, Any]]:
    """Copies of the image in a region that exist or are being made, newest first."""
    about = f"look for copies of {image_id} in {aws.region}"
    found = own_images(aws, about, [ec2_tags.having(COPY_OF, image_id)])
    return [image for image in found if image["State"] not in _FAILED_STATES]


def copy_everywhere(copying: Copying, destinations: Sequence[Destination]) -> list[Copied]:
    """Have the image in all regions; MachineFailure if it is not in one of them after all.

    What is complete stays, also if another region fails: the next try takes it.
    """
    if not destinations:
        return []
    stop = Event()
    with (
        noticed() as interruptions,
        ThreadPoolExecutor(len(destinations), thread_name_prefix="copy") as pool,
    ):
        try:
            with interruptions.held():
                work = {
                    destination.region: pool.submit(_Copy(copying, destination, stop).ensure)
                    for destination in destinations
                }
            while wait(work.values(), timeout=_ATTENTION_S).not_done:
                pass
            failures = {region: one.exception() for region, one in work.items()}
        except BaseException:
            stop.set()  # the pool then waits for everybody to tidy up
            raise
    _refuse_failures(copying, work, {region: error for region, error in failures.items() if error})
    return [one.result() for one in work.values()]


def _refuse_failures(
    copying: Copying, work: Mapping[str, Future[Copied]], failures: Mapping[str, BaseException]
) -> None:
    unexpected = [error for error in failures.values() if not isinstance(error, MachineFailure)]
    if unexpected:
        raise unexpected[0]
    if not failures:
        return
    there = [f"{copying.region} ({copying.image['ImageId']})"]
    there += [
        f"{region} ({one.result().image['ImageId']})"
        for region, one in work.items()
        if region not in failures
    ]
    why = "; ".join(f"{region}: {error}" for region, error in failures.items())
    raise MachineFailure(
        f"image {copying.image['ImageId']} was not copied to {', '.join(failures)}, where nothing is left of "
        f"that ({why}); it is in {', '.join(there)}, and the next try makes only what is missing"
    )


class _Copy:
    """One copy in one region, made in a thread of its own."""

    def __init__(self, copying: Copying, destination: Destination, stop: Event) -> None:
        self._copying = copying
        self._destination = destination
        self._stop = stop
        self._aws = Aws(destination.region)
        self._source = copying.image["ImageId"]
        self._began = False

    def ensure(self) -> Copied:
        """Have the copy, complete and marked as verified."""
        there = next(iter(copies_there(self._aws, self._source)), None)
        copy_id = there["ImageId"] if there else ""
        try:
            if not copy_id:
                copy_id = self._begin()
            image = self._await(copy_id)
            changes = ImageState(self._aws, copy_id).changes(self._copying.verified)
            for change in changes:
                change.make()
        except BaseException:
            if self._began:  # what another process began is that one's to remove, or the sweep's
                with suppress(MachineFailure):
                    self._remove(copy_id)
            raise
        return Copied(self._destination.region, image, changed=there is None or bool(changes))

    def _begin(self) -> str:
        destination, image = self._destination, self._copying.image
        encryption: dict[str, Any] = {}
        if destination.kms_key or destination.encrypted:
            encryption["Encrypted"] = True
        if destination.kms_key:
            encryption["KmsKeyId"] = destination.kms_key
        self._began = True
        try:
            answer = self._aws.call(
                "copy_image",
                f"copy image {self._source} from {self._copying.region}",
                Name=image["Name"],
                Description=image.get("Description", ""),
                SourceImageId=self._source,
                SourceRegion=self._copying.region,
                ClientToken=self._copying.token(destination),
                TagSpecifications=ec2_tags.specifications(self._copying.tags, ["image", "snapshot"]),
                **encryption,
            )
        except AwsFailure as failure:
            if failure.code == NAME_TAKEN:
                raise MachineFailure(
                    f"the name '{image['Name']}' is taken there by another image; deregister that, or run "
                    "'bakery sweep' if it is what a bake left"
                ) from failure
            raise
        return str(answer["ImageId"])

    def _await(self, copy_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + self._copying.timeout_s
        known_until = time.monotonic() + _UNKNOWN_PATIENCE_S
        teller = Teller()
        for pause in pauses():
            image = find_image(self._aws, copy_id) or {}
            state = image.get("State", "unknown")
            if state == "available":
                return image
            if state in _FAILED_STATES or (state == "unknown" and time.monotonic() > known_until):
                raise MachineFailure(f"the copy {copy_id} is {state}{reason_of(image)}")
            said = progress_of(look_at_snapshots(self._aws, snapshots_of(image)))
            teller.tell(f"copy {copy_id} in {self._destination.region} is {state}: {said}")
            if time.monotonic() + pause > deadline:
                minutes = self._copying.timeout_s / 60
                raise MachineFailure(
                    f"the copy {copy_id} is still {state} after {minutes:g} minutes ({said})"
                )
            if self._stop.wait(pause):
                raise _Stopped
        raise AssertionError  # pauses never end

    def _remove(self, copy_id: str) -> None:
        """Remove the half-made copy, also one whose id was not told; a complete one stays."""
        images = {image["ImageId"]: image for image in copies_there(self._aws, self._source)}
        if copy_id and copy_id not in images:
            images[copy_id] = find_image(self._aws, copy_id) or {"ImageId": copy_id, "State": "unknown"}
        half = {key: image for key, image in images.items() if image["State"] != "available"}
        snapshots = set()
        if len(half) == len(images):  # else they may be those of a complete one
            snapshots = {one["SnapshotId"] for one in snapshots_tagged(self._aws, COPY_OF, self._source)}
        for key, image in half.items():
            remove_image(self._aws, key, snapshots | set(snapshots_of(image)))
