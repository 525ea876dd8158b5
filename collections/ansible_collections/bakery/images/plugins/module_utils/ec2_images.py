# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images and their snapshots as EC2 tells of them: looking them up, what they are like, and removing them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws, AwsFailure, pauses

# Copies carry the tags of their original, and this one: its id.
COPY_OF = "bakery:copy-of"
NAME_TAKEN = "InvalidAMIName.Duplicate"

# A snapshot may count as used for a moment after its image is gone.
_IN_USE_PATIENCE_S = 20.0
_IN_USE = "InvalidSnapshot.InUse"
_GONE = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"})


def find_image(aws: Aws, image_id: str) -> dict[str, Any] | None:
    """The image, of whomever; None if EC2 does not know it or no longer has it."""
    try:
        answer = aws.call(
            "describe_images", f"look at image {image_id}", ImageIds=[image_id], IncludeDeprecated=True
        )
    except AwsFailure as failure:
        if failure.code in _GONE:
            return None
        raise
    # Images that were deregistered are still told of for a while.
    return next((image for image in answer["Images"] if image["State"] != "deregistered"), None)


def own_images(aws: Aws, about: str, filters: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """This account's images that pass the filters, newest first."""
    pages = aws.pages(
        "describe_images", about, Owners=["self"], Filters=list(filters), IncludeDeprecated=True
    )
    images = [image for page in pages for image in page["Images"] if image["State"] != "deregistered"]
    return sorted(images, key=lambda image: (image.get("CreationDate", ""), image["ImageId"]), reverse=True)


def images_named(aws: Aws, name: str) -> list[dict[str, Any]]:
    """This account's images of that name: at most one, but for eventual consistency."""
    found = own_images(aws, f"look for an image named '{name}'", [{"Name": "name", "Values": [name]}])
    return [image for image in found if image.get("Name") == name]  # a filter takes * and ? as wildcards


def snapshots_of(image: Mapping[str, Any]) -> list[str]:
    """Ids of the snapshots that an image consists of, sorted."""
    disks = (mapping.get("Ebs") or {} for mapping in image.get("BlockDeviceMappings") or ())
    return sorted({disk["SnapshotId"] for disk in disks if disk.get("SnapshotId")})


def snapshots_tagged(aws: Aws, key: str, value: str) -> list[dict[str, Any]]:
    """This account's snapshots with the tag."""
    pages = aws.pages(
        "describe_snapshots",
        f"look for snapshots of {value}",
        OwnerIds=["self"],
        Filters=[ec2_tags.having(key, value)],
    )
    return [snapshot for page in pages for snapshot in page["Snapshots"]]


def look_at_snapshots(aws: Aws, ids: Sequence[str]) -> list[dict[str, Any]]:
    """What EC2 tells of the snapshots; those that it does not know (yet) are missing."""
    if not ids:
        return []
    try:
        answer = aws.call("describe_snapshots", f"look at {', '.join(ids)}", SnapshotIds=list(ids))
    except AwsFailure as failure:
        if failure.not_found:
            return []
        raise
    found: list[dict[str, Any]] = answer["Snapshots"]
    return found


def tags_of(resource: Mapping[str, Any]) -> dict[str, str]:
    """The tags of an image or a snapshot, by name."""
    return ec2_tags.to_mapping(resource.get("Tags"))


def image_traits(image: Mapping[str, Any]) -> dict[str, Any]:
    """What decides how instances of an image start: the same words as in a base's config."""
    return {
        "architecture": image.get("Architecture", ""),
        "boot_mode": image.get("BootMode") or "",
        "ena": bool(image.get("EnaSupport")),
        "imds": image.get("ImdsSupport") or "",
        "tpm": image.get("TpmSupport") or "",
    }


def root_disk(image: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the image says of its root device's volume; empty where it says nothing."""
    for mapping in image.get("BlockDeviceMappings") or ():
        if mapping.get("DeviceName") == image.get("RootDeviceName"):
            disk: Mapping[str, Any] = mapping.get("Ebs") or {}
            return disk
    return {}


def artifact_of(image: Mapping[str, Any], region: str) -> dict[str, Any]:
    """What the entry points hand up of an image."""
    image_id = image["ImageId"]
    return {
        "kind": "ami",
        "id": image_id,
        "digest": image_id,
        "location": f"ec2:{region}:{image_id}",
        "region": region,
        "account": image.get("OwnerId", ""),
        "base_image": tags_of(image).get(ec2_tags.SOURCE_IMAGE, ""),
        "snapshots": snapshots_of(image),
        "name": image.get("Name", ""),
        "paths": [],
        "sizes": [],
    }


def reason_of(thing: Mapping[str, Any]) -> str:
    """Why EC2 says that an image or an instance is in its state, as the end of a sentence; or nothing."""
    reason = thing.get("StateReason") or {}
    text = reason.get("Message") or reason.get("Code") or thing.get("StateTransitionReason") or ""
    return f": {text}" if text else ""


def progress_of(snapshots: Sequence[Mapping[str, Any]]) -> str:
    """How far the snapshots are, in words."""
    if not snapshots:
        return "no snapshot yet"
    return ", ".join(
        f"{snapshot['SnapshotId']} at {snapshot.get('Progress') or snapshot['State']}"
        for snapshot in snapshots
    )


def remove_image(aws: Aws, image_id: str, snapshots: Iterable[str]) -> list[str]:
    """Deregister an image and delete its snapshots, whichever of them are there; returns the snapshots that
    stay because another image has them.

    Ids of snapshots must be known before: an image that is gone does not tell them.
    """
    try:
        aws.call("deregister_image", f"deregister image {image_id}", ImageId=image_id)
    except AwsFailure as failure:
        if failure.code not in _GONE:
            raise
    return [snapshot for snapshot in sorted(snapshots) if not _remove_snapshot(aws, snapshot)]


def _remove_snapshot(aws: Aws, snapshot: str) -> bool:
    """Delete a snapshot; returns whether it is gone."""
    deadline = time.monotonic() + _IN_USE_PATIENCE_S
    for pause in pauses():
        try:
            aws.call("delete_snapshot", f"delete snapshot {snapshot}", SnapshotId=snapshot)
        except AwsFailure as failure:
            if failure.not_found:
                return True
            if failure.code != _IN_USE:
                raise
        else:
            return True
        if time.monotonic() + pause > deadline or _is_used(aws, snapshot):
            return False
        time.sleep(pause)
    raise AssertionError  # pauses never end


def _is_used(aws: Aws, snapshot: str) -> bool:
    """Whether an image that is there has the snapshot."""
    with suppress(AwsFailure):
        wanted = [{"Name": "block-device-mapping.snapshot-id", "Values": [snapshot]}]
        return bool(own_images(aws, f"look for images on {snapshot}", wanted))
    return False
