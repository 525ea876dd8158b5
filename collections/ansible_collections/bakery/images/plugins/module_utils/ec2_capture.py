# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capturing an instance as an AMI: stop it, make the image, wait for it, and let go of the instance.

A spot instance of a one-time request cannot be stopped ("Stop a Spot Instance", Amazon EC2 user guide):
CreateImage shuts it down itself before the snapshots, and boots it again after them.

The instance is terminated once every snapshot of the image is complete: from then on EC2 needs nothing of
it. Before that its volumes are kept, so that nothing depends on how EC2 reads a volume that is deleted
while its snapshot is still being written; it is stopped all the while, which costs its volumes alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import (
    Aws,
    AwsFailure,
    known_by_now,
    pauses,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import (
    NAME_TAKEN,
    find_image,
    image_traits,
    images_named,
    look_at_snapshots,
    own_images,
    progress_of,
    reason_of,
    remove_image,
    snapshots_of,
    snapshots_tagged,
    tags_of,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_instance import (
    LIVING,
    instances_of,
    terminate,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_launch_plan import SPOT
from ansible_collections.bakery.images.plugins.module_utils.ec2_looks import Looks
from ansible_collections.bakery.images.plugins.module_utils.ec2_names import holders_of, name_is_taken
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.interruptions import Interruptions, noticed
from ansible_collections.bakery.images.plugins.module_utils.progress import Teller

_DEAD_STATES = frozenset({"shutting-down", "terminated"})
_BUSY = frozenset({"IncorrectState", "IncorrectInstanceState"})
_STATE_PATIENCE_S = 120.0
_FAILED_STATES = frozenset({"failed", "error", "invalid", "deregistered"})
# How long an image may stay unknown whose making was interrupted.
_LOST_PATIENCE_S = 3.0


@dataclass(frozen=True)
class Capture:
    """What to make of which machine. ``base`` has the traits that the image must share (image_traits)."""

    machine_id: str
    names: tuple[str, ...]
    tags: Mapping[str, str]
    base: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    timeout_s: float = 3600.0
    regions: tuple[str, ...] = ()  # where copies will need the same name


@dataclass
class Captured:
    """The image, and what is worth a warning."""

    image: dict[str, Any]
    changed: bool
    warnings: list[str] = field(default_factory=list)


class ImageMaker:
    """Makes one image. ``journal`` is told the image's id the moment it is known."""

    def __init__(
        self, aws: Aws, capture: Capture, journal: Callable[[str], None], *, looks: Looks | None = None
    ) -> None:
        self._aws = aws
        self._looks = looks or Looks(aws)
        self._capture = capture
        self._journal = journal
        self._deadline = time.monotonic() + capture.timeout_s
        self._warnings: list[str] = []
        self._free_names: list[str] = []

    def find(self) -> dict[str, Any] | None:
        """The image, if this machine's was made before; MachineFailure if no name is free for it."""
        taken: MachineFailure | None = None
        free = []
        for name in self._capture.names:
            holders = self._holders(name)
            ours = holders.get(self._aws.region, {})
            if self._is_ours(ours):
                return ours
            if not holders:
                free.append(name)
            taken = taken or name_is_taken(name, holders)
        if not free and taken:
            raise taken
        self._free_names = free
        return None

    def make(self) -> Captured:
        """Make the image, or go on with it; whatever goes wrong, nothing of it stays."""
        image_id, changed = "", False
        with noticed() as interruptions:
            try:
                image = self.find()
                if image is None:
                    changed = True
                    image_id = self._create(self._instance_at_rest(), interruptions)
                else:
                    image_id = image["ImageId"]
                image = self._await(image_id)
                self._refuse_differences(image)
            except BaseException:
                # The first error is the one to tell; what cannot be removed now is left to the sweep.
                with suppress(MachineFailure):
                    self._remove(image_id)
                raise
        return Captured(image, changed, self._warnings)

    def _is_ours(self, image: Mapping[str, Any]) -> bool:
        return tags_of(image).get(ec2_tags.MACHINE) == self._capture.machine_id

    def _holders(self, name: str) -> dict[str, dict[str, Any]]:
        return holders_of(self._aws, name, self._capture.regions)

    def _instance_at_rest(self) -> str:
        """Stop the machine's instance through the API, if it can be stopped; returns its id."""
        found = find_instance(self._aws, self._capture.machine_id)
        instance_id: str = found["InstanceId"]
        if found.get("InstanceLifecycle") == SPOT:
            return instance_id
        asked = False
        for pause in pauses():
            instance = look_at_instance(self._aws, instance_id)
            state = instance["State"]["Name"]
            if state == "stopped":
                return instance_id
            if state in _DEAD_STATES:
                raise MachineFailure(
                    f"instance {instance_id} is {state} and cannot be captured{reason_of(instance)}"
                )
            if not asked and state in {"pending", "running"}:
                asked = self._asked_to_stop(instance_id)
            if time.monotonic() + pause > self._deadline:
                raise self._too_late(f"instance {instance_id} is still {state}")
            time.sleep(pause)
        raise AssertionError  # pauses never end

    def _asked_to_stop(self, instance_id: str) -> bool:
        try:
            self._aws.call("stop_instances", f"stop instance {instance_id}", InstanceIds=[instance_id])
        except AwsFailure as failure:
            if failure.code in _BUSY:  # such as one that is pending: ask again
                return False
            raise
        return True

    def _create(self, instance_id: str, interruptions: Interruptions) -> str:
        for name in self._free_names:
            # An interruption in the middle of the call would leave an image whose id nobody knows.
            with interruptions.held():
                image_id = self._created(instance_id, name)
                if image_id:
                    self._journal(image_id)
            if image_id:
                return image_id
        name = self._free_names[-1]
        raise name_is_taken(name, self._holders(name)) or MachineFailure(f"the name '{name}' is taken")

    def _created(self, instance_id: str, name: str) -> str | None:
        """Id of the new image; None if somebody else's has the name."""
        deadline = min(self._deadline, time.monotonic() + _STATE_PATIENCE_S)
        for pause in pauses():
            try:
                answer = self._aws.call(
                    "create_image",
                    f"make image '{name}' of instance {instance_id}",
                    InstanceId=instance_id,
                    Name=name,
                    Description=self._capture.description,
                    NoReboot=False,
                    TagSpecifications=ec2_tags.specifications(self._capture.tags, ["image", "snapshot"]),
                )
            except AwsFailure as failure:
                if failure.code == NAME_TAKEN:
                    return self._own_of_name(name)
                if failure.code not in _BUSY or time.monotonic() + pause > deadline:
                    raise
            else:
                return str(answer["ImageId"])
            time.sleep(pause)
        raise AssertionError  # pauses never end

    def _own_of_name(self, name: str) -> str | None:
        """Our own image of that name: its making succeeded, but the answer was lost."""
        holder = next(iter(images_named(self._aws, name)), None)
        return str(holder["ImageId"]) if holder and self._is_ours(holder) else None

    def _await(self, image_id: str) -> dict[str, Any]:
        """Wait until the image can be used, and release the instance as soon as it may go."""
        released, said, teller = False, "no snapshot yet", Teller()
        known_until = time.monotonic() + _STATE_PATIENCE_S
        for pause in pauses():
            image = self._looks.image(image_id) or {}
            state = image.get("State", "unknown")
            if state in _FAILED_STATES or (state == "unknown" and time.monotonic() > known_until):
                raise MachineFailure(f"image {image_id} is {state}{reason_of(image)}")
            if not released:
                snapshots = look_at_snapshots(self._aws, snapshots_of(image))
                said = progress_of(snapshots)
                _refuse_failed(image_id, snapshots)
                if state == "available" or _are_complete(image, snapshots):
                    self._release()
                    released = True
            if state == "available":
                return image
            teller.tell(f"image {image_id} is {state}: {said}")
            if time.monotonic() + pause > self._deadline:
                raise self._too_late(f"image {image_id} is still {state} ({said})")
            time.sleep(pause)
        raise AssertionError  # pauses never end

    def _release(self) -> None:
        """Terminate the instance; a refusal does not cost the image: the machine is discarded later."""
        machine_id = self._capture.machine_id
        try:
            terminate(self._aws, instances_of(self._aws, machine_id))
        except AwsFailure as failure:
            self._warnings.append(f"the instance of machine '{machine_id}' was not released: {failure}")

    def _refuse_differences(self, image: Mapping[str, Any]) -> None:
        ours = image_traits(image)
        wrong = [
            f"{name} is {_shown(ours[name])} instead of {_shown(value)}"
            for name, value in sorted(self._capture.base.items())
            if name in ours and ours[name] != value
        ]
        if wrong:
            raise MachineFailure(
                f"image {image['ImageId']} would not start as its base does: {'; '.join(wrong)}"
            )

    def _too_late(self, what: str) -> MachineFailure:
        minutes = self._capture.timeout_s / 60
        return MachineFailure(f"{what} after {minutes:g} minutes; allow more time if it only needs longer")

    def _remove(self, image_id: str) -> None:
        """Remove what there is of the image, found by its tags too: its making may have been cut short."""
        images = {image["ImageId"]: image for image in self._made_images()}
        if image_id and image_id not in images:  # made so lately that EC2 does not tell of it everywhere
            image = known_by_now(lambda: self._must_find(image_id), patience_s=_LOST_PATIENCE_S)
            images[image_id] = image
        machine_id = self._capture.machine_id
        snapshots = {one["SnapshotId"] for one in snapshots_tagged(self._aws, ec2_tags.MACHINE, machine_id)}
        if any(tags_of(image).get(ec2_tags.STATUS) == ec2_tags.VERIFIED for image in images.values()):
            return
        for image in images.values():
            remove_image(self._aws, image["ImageId"], snapshots | set(snapshots_of(image)))

    def _made_images(self) -> list[dict[str, Any]]:
        about = f"look for images of machine '{self._capture.machine_id}'"
        return own_images(self._aws, about, [ec2_tags.having(ec2_tags.MACHINE, self._capture.machine_id)])

    def _must_find(self, image_id: str) -> dict[str, Any]:
        image = find_image(self._aws, image_id)
        if image is None:
            raise AwsFailure(f"image {image_id} is not there", code="InvalidAMIID.NotFound")
        return image


def find_instance(aws: Aws, machine_id: str) -> dict[str, Any]:
    """The instance of a machine, by its tag; MachineFailure unless there is just one."""
    found = known_by_now(lambda: instances_of(aws, machine_id, LIVING))
    if not found:
        raise MachineFailure(f"machine '{machine_id}' has no instance in {aws.region}; launch it first")
    if len(found) > 1:
        ids = ", ".join(sorted(instance["InstanceId"] for instance in found))
        raise MachineFailure(f"machine '{machine_id}' has several instances in {aws.region}: {ids}")
    return found[0]


def look_at_instance(aws: Aws, instance_id: str) -> dict[str, Any]:
    """What EC2 tells of an instance that is there."""
    answer = known_by_now(
        lambda: aws.call("describe_instances", f"look at instance {instance_id}", InstanceIds=[instance_id])
    )
    instance: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
    return instance


def _refuse_failed(image_id: str, snapshots: Sequence[Mapping[str, Any]]) -> None:
    for snapshot in snapshots:
        if snapshot["State"] == "error":
            why = snapshot.get("StateMessage") or "EC2 does not say why"
            raise MachineFailure(f"snapshot {snapshot['SnapshotId']} of image {image_id} failed: {why}")


def _are_complete(image: Mapping[str, Any], snapshots: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the image needs nothing of the instance any more: each disk's snapshot is complete."""
    disks = [mapping for mapping in image.get("BlockDeviceMappings") or () if mapping.get("Ebs")]
    complete = [snapshot for snapshot in snapshots if snapshot["State"] == "completed"]
    return bool(disks) and len(complete) == len(disks)


def _shown(value: Any) -> str:
    return {True: "on", False: "off", "": "unset"}.get(value, str(value))
