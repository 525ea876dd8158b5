# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dead bakes left in an account: found by its tags, from the cloud's view, and removed.

A thing is dead if the process that its tag names is gone, or its time has passed. Whether a process of
another host (or of another boot of this one) lives cannot be known here, so what is such a one's goes once
its time has passed. What a living process of this host owns, what is verified, and what does not have our
tags is never touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws, AwsFailure, pauses
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import (
    remove_image,
    snapshots_of,
    tags_of,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.owner import boot_id

_OURS = {"Name": "tag-key", "Values": [ec2_tags.MACHINE]}
_GONE = frozenset({"shutting-down", "terminated"})
# How long instances may take to be gone, which what was attached to them has to wait for.
_TERMINATION_S = 600.0
_DEPENDENCY_S = 120.0
_STILL_USED = frozenset({"DependencyViolation", "InvalidNetworkInterface.InUse", "VolumeInUse"})


@dataclass
class Left:
    """Ids of what is left in one region, by kind; ``machines`` are the names of the machines it is of."""

    instances: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    network_interfaces: list[str] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    machines: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(vars(self).values())


def is_dead(tags: Mapping[str, str], *, now: datetime) -> bool:
    """Whether nobody needs the thing with these tags any more."""
    if ec2_tags.MACHINE not in tags or tags.get(ec2_tags.STATUS) == ec2_tags.VERIFIED:
        return False
    owner = ec2_tags.owner_of(tags)
    if owner and owner.boot == boot_id():
        return not owner.is_alive()
    return _has_expired(tags, now)


def _has_expired(tags: Mapping[str, str], now: datetime) -> bool:
    """Whether the time that the tags allow has passed; without a readable time it never does."""
    try:
        expires = datetime.fromisoformat(tags.get(ec2_tags.EXPIRES, ""))
    except ValueError:
        return False
    return (expires if expires.tzinfo else expires.replace(tzinfo=UTC)) < now


class Ec2Sweep:
    """One look at a region."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._now = datetime.now(UTC)
        # Snapshots of the images that are to be removed, which go with them.
        self._of_image: dict[str, list[str]] = {}

    def find(self) -> Left:
        """Everything that no living bake owns. Nothing is changed."""
        left, machines = Left(), set[str]()
        for name, things in (
            ("instances", self._instances()),
            ("volumes", self._volumes()),
            ("network_interfaces", self._interfaces()),
            ("security_groups", self._groups()),
            ("images", self._images()),
            ("snapshots", self._snapshots()),
        ):
            found = dict(things)
            setattr(left, name, sorted(found))
            machines |= set(found.values())
        left.machines = sorted(machines)
        return left

    def remove(self, left: Left) -> None:
        """Remove what ``find`` found. What withstands keeps nothing else from going; the first is told."""
        failures: list[MachineFailure] = []
        self._each(left.instances, self._terminate, failures)
        self._each(left.images, self._deregister, failures)
        with_image = {snapshot for snapshots in self._of_image.values() for snapshot in snapshots}
        self._each(sorted(set(left.snapshots) - with_image), self._delete_snapshot, failures)
        if left.volumes or left.network_interfaces or left.security_groups:
            self._await_end(left.instances, failures)
        self._each(left.volumes, self._delete_volume, failures)
        self._each(left.network_interfaces, self._delete_interface, failures)
        self._each(left.security_groups, self._delete_group, failures)
        if failures:
            more = f" (and {len(failures) - 1} more such troubles)" if len(failures) > 1 else ""
            raise MachineFailure(f"{failures[0]}{more}") from failures[0]

    # ── what is there ──

    def _instances(self) -> Iterator[tuple[str, str]]:
        about = "look for instances of bakes"
        for page in self._aws.pages("describe_instances", about, Filters=[_OURS]):
            for group in page["Reservations"]:
                for instance in group["Instances"]:
                    if instance["State"]["Name"] not in _GONE:
                        yield from self._dead(instance, "InstanceId")

    def _volumes(self) -> Iterator[tuple[str, str]]:
        about = "look for volumes of bakes"
        for page in self._aws.pages("describe_volumes", about, Filters=[_OURS]):
            for volume in page["Volumes"]:
                if volume["State"] != "deleting":
                    yield from self._dead(volume, "VolumeId")

    def _interfaces(self) -> Iterator[tuple[str, str]]:
        about = "look for network interfaces of bakes"
        for page in self._aws.pages("describe_network_interfaces", about, Filters=[_OURS]):
            for interface in page["NetworkInterfaces"]:
                yield from self._dead({"Tags": interface.get("TagSet"), **interface}, "NetworkInterfaceId")

    def _groups(self) -> Iterator[tuple[str, str]]:
        about = "look for security groups of bakes"
        for page in self._aws.pages("describe_security_groups", about, Filters=[_OURS]):
            for group in page["SecurityGroups"]:
                yield from self._dead(group, "GroupId")

    def _images(self) -> Iterator[tuple[str, str]]:
        about = "look for images of bakes"
        wanted = {"Owners": ["self"], "Filters": [_OURS], "IncludeDeprecated": True}
        for page in self._aws.pages("describe_images", about, **wanted):
            for image in page["Images"]:
                if image["State"] != "deregistered" and self._is_unverified(image):
                    for image_id, machine in self._dead(image, "ImageId"):
                        self._of_image[image_id] = snapshots_of(image)
                        yield image_id, machine

    def _snapshots(self) -> Iterator[tuple[str, str]]:
        about = "look for snapshots of bakes"
        for page in self._aws.pages("describe_snapshots", about, OwnerIds=["self"], Filters=[_OURS]):
            for snapshot in page["Snapshots"]:
                if self._is_unverified(snapshot):
                    yield from self._dead(snapshot, "SnapshotId")

    def _dead(self, thing: Mapping[str, Any], key: str) -> Iterator[tuple[str, str]]:
        tags = tags_of(thing)
        if is_dead(tags, now=self._now):
            yield thing[key], tags[ec2_tags.MACHINE]

    @staticmethod
    def _is_unverified(thing: Mapping[str, Any]) -> bool:
        return tags_of(thing).get(ec2_tags.STATUS) == ec2_tags.UNVERIFIED

    # ── removing it ──

    @staticmethod
    def _each(ids: Iterable[str], remove: Callable[[str], object], failures: list[MachineFailure]) -> None:
        for one in ids:
            try:
                remove(one)
            except AwsFailure as failure:
                if not failure.not_found:
                    failures.append(failure)
            except MachineFailure as failure:
                failures.append(failure)

    def _terminate(self, instance: str) -> None:
        self._aws.call("terminate_instances", f"terminate instance {instance}", InstanceIds=[instance])

    def _deregister(self, image: str) -> None:
        remove_image(self._aws, image, self._of_image.get(image, ()))

    def _delete_snapshot(self, snapshot: str) -> None:
        self._aws.call("delete_snapshot", f"delete snapshot {snapshot}", SnapshotId=snapshot)

    def _delete_volume(self, volume: str) -> None:
        self._once_unused(lambda: self._aws.call("delete_volume", f"delete volume {volume}", VolumeId=volume))

    def _delete_interface(self, interface: str) -> None:
        about = f"delete network interface {interface}"
        self._once_unused(
            lambda: self._aws.call("delete_network_interface", about, NetworkInterfaceId=interface)
        )

    def _delete_group(self, group: str) -> None:
        about = f"delete security group {group}"
        self._once_unused(lambda: self._aws.call("delete_security_group", about, GroupId=group))

    def _await_end(self, instances: Iterable[str], failures: list[MachineFailure]) -> None:
        """Wait until the instances are gone; what still is there then says so itself."""
        wanted = list(instances)
        if not wanted or failures:
            return
        deadline = time.monotonic() + _TERMINATION_S
        filters = [{"Name": "instance-id", "Values": wanted}]
        for pause in pauses():
            pages = self._aws.pages("describe_instances", f"look at {', '.join(wanted)}", Filters=filters)
            states = {
                instance["State"]["Name"]
                for page in pages
                for group in page["Reservations"]
                for instance in group["Instances"]
            }
            if states <= {"terminated"} or time.monotonic() + pause > deadline:
                return
            time.sleep(pause)

    @staticmethod
    def _once_unused(delete: Callable[[], object]) -> None:
        """Delete what may still count as used for a while."""
        deadline = time.monotonic() + _DEPENDENCY_S
        for pause in pauses():
            try:
                delete()
            except AwsFailure as failure:
                if failure.code not in _STILL_USED or time.monotonic() + pause > deadline:
                    raise
            else:
                return
            time.sleep(pause)
