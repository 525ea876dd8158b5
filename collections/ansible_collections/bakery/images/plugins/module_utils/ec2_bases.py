# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which AMI a bake starts from: an id, the newest of a name and owner, or what an SSM parameter says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws, AwsFailure
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import (
    find_image,
    image_traits,
    root_disk,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import BaseGone, MachineFailure

_IMAGE_ID = re.compile(r"ami-[0-9a-f]{8,17}\Z")
# The names of Debian and OCI, and EC2's.
_ARCHITECTURES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}
_OURS = {"x86_64": "amd64", "arm64": "arm64"}


@dataclass(frozen=True)
class BaseSource:
    """Where a base comes from: exactly one of ``image``, ``ssm``, and ``owner`` with ``name`` (a pattern)."""

    image: str = ""
    owner: str = ""
    name: str = ""
    ssm: str = ""
    architecture: str = ""
    deprecated: bool = False

    @property
    def wanted_architecture(self) -> str:
        """In EC2's words; empty for any."""
        if not self.architecture:
            return ""
        try:
            return _ARCHITECTURES[self.architecture]
        except KeyError:
            raise MachineFailure(
                f"'{self.architecture}' is no architecture of EC2's images; write amd64 or arm64"
            ) from None


@dataclass(frozen=True)
class ResolvedBase:
    """The image, and what is worth a warning."""

    image: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


def resolve(aws: Aws, source: BaseSource) -> ResolvedBase:
    """The image that the source means now; MachineFailure where there is none that can be baked on."""
    if source.name:
        image = _newest(aws, source)
    else:
        image_id = source.image or _from_parameter(aws, source.ssm)
        image = _by_id(aws, image_id, source.wanted_architecture)
    _refuse_unusable(image)
    warnings = ()
    if _is_deprecated(image):
        warnings = (f"the base {image['ImageId']} is deprecated since {image['DeprecationTime']}",)
    return ResolvedBase(image, warnings)


def describe_base(image: Mapping[str, Any], *, name: str, region: str) -> dict[str, Any]:
    """What the entry point ``base`` hands up."""
    image_id = image["ImageId"]
    traits = image_traits(image)
    return {
        "name": name,
        "digest": image_id,
        "resolved": image_id,
        "epoch": int(_time(image["CreationDate"]).timestamp()),
        "architecture": _OURS[traits["architecture"]],
        "systemd": True,
        "layers": [],
        "config": {
            "image": image_id,
            "root_device": image["RootDeviceName"],
            "size": root_disk(image).get("VolumeSize", 0),
            "region": region,
            **traits,
        },
    }


def _by_id(aws: Aws, image_id: str, architecture: str) -> dict[str, Any]:
    image = find_image(aws, image_id)
    if image is None:
        raise BaseGone(
            f"there is no image {image_id} in {aws.region} that this account may use; ids differ from region "
            "to region"
        )
    if architecture and image.get("Architecture") != architecture:
        raise MachineFailure(
            f"image {image_id} is for {image.get('Architecture')}, but {architecture} is wanted"
        )
    return image


def _from_parameter(aws: Aws, parameter: str) -> str:
    try:
        answer = aws.call(
            "get_parameter", f"read the SSM parameter {parameter}", service="ssm", Name=parameter
        )
    except AwsFailure as failure:
        if failure.not_found:
            raise MachineFailure(f"there is no SSM parameter {parameter} in {aws.region}") from failure
        raise
    value = str(answer["Parameter"]["Value"]).strip()
    if not _IMAGE_ID.match(value):
        raise MachineFailure(
            f"the SSM parameter {parameter} in {aws.region} holds no image id, but '{value}'"
        )
    return value


def _newest(aws: Aws, source: BaseSource) -> dict[str, Any]:
    what = f"image of {source.owner} named '{source.name}'"
    pages = aws.pages(
        "describe_images",
        f"look for an {what}",
        Owners=[source.owner],
        Filters=[{"Name": "name", "Values": [source.name]}],
        IncludeDeprecated=True,
    )
    found = [image for page in pages for image in page["Images"] if image["State"] == "available"]
    if not found:
        raise MachineFailure(
            f"there is no available {what} in {aws.region}; see the owner, the pattern and the region"
        )
    usable = found if source.deprecated else [image for image in found if not _is_deprecated(image)]
    if not usable:
        raise MachineFailure(
            f"every {what} in {aws.region} is deprecated; choose a newer name, or write 'deprecated: true'"
        )
    return max(_of_architecture(usable, source, what), key=lambda image: image["CreationDate"])


def _of_architecture(
    images: Sequence[dict[str, Any]], source: BaseSource, what: str
) -> Sequence[dict[str, Any]]:
    there = sorted({image["Architecture"] for image in images})
    wanted = source.wanted_architecture
    if not wanted and len(there) > 1:
        raise MachineFailure(
            f"there is an {what} for each of {', '.join(there)}; write which architecture is wanted"
        )
    matching = [image for image in images if not wanted or image["Architecture"] == wanted]
    if not matching:
        raise MachineFailure(f"there is no {what} for {wanted}, only for {', '.join(there)}")
    return matching


def _refuse_unusable(image: Mapping[str, Any]) -> None:
    image_id = image["ImageId"]
    if image["State"] != "available":
        raise MachineFailure(f"image {image_id} cannot be baked on: it is {image['State']}")
    if image.get("Architecture") not in _OURS:
        raise MachineFailure(
            f"image {image_id} cannot be baked on: its architecture is {image.get('Architecture')}"
        )
    if str(image.get("Platform", "")).lower() == "windows":
        raise MachineFailure(f"image {image_id} cannot be baked on: it is Windows")
    if image.get("RootDeviceType", "ebs") == "instance-store":
        raise MachineFailure(f"image {image_id} cannot be baked on: its root device is no EBS volume")


def _is_deprecated(image: Mapping[str, Any]) -> bool:
    since = image.get("DeprecationTime")
    return bool(since) and _time(since) <= datetime.now(UTC)


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
