# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine of the target ec2 shall be, and the arguments of RunInstances that ask for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.ec2_launch_plan import ON_DEMAND, SPOT, Attempt
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner

PRIVATE, PUBLIC = "private", "public"


@dataclass(frozen=True)
class Login:
    """How ssh reaches a machine and as whom."""

    address: str = PUBLIC
    user: str = "root"
    port: int = 22
    proxy_command: str | None = None


@dataclass(frozen=True)
class Network:
    """Where a machine may be, and what may reach it. Empty: the default VPC's subnets, a group of its own."""

    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    caller_cidr: str | None = None


@dataclass(frozen=True)
class Volume:
    """The root volume, as far as it shall differ from the image's: GiB, IOPS, MiB/s."""

    size: int | None = None
    type: str | None = None
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool | None = None
    kms_key: str | None = None


@dataclass(frozen=True)
class Wanted:
    """What to launch. ``kind`` is ``bake`` for a machine to provision, ``image`` for one that proves an
    image.
    """

    machine_id: str
    image: str
    kind: str = "bake"
    instance_types: tuple[str, ...] = ()
    markets: tuple[str, ...] = (ON_DEMAND,)
    network: Network = field(default_factory=Network)
    login: Login = field(default_factory=Login)
    volume: Volume = field(default_factory=Volume)
    instance_profile: str | None = None
    role_set: str | None = None
    owner: Owner | None = None
    ttl_s: int = 86_400
    timeout_s: int = 600


@dataclass(frozen=True)
class SourceImage:
    """An image to launch, as DescribeImages has it; sizes of its volumes are in GiB."""

    id: str
    architecture: str
    root_device: str
    size: int
    other_devices: tuple[tuple[str, int], ...] = ()

    @property
    def usual_type(self) -> str:
        """The instance type where none is wanted in particular."""
        return "t4g.small" if self.architecture == "arm64" else "t3.small"


def read_image(described: Mapping[str, Any]) -> SourceImage:
    """Read one of the images of DescribeImages."""
    root = described.get("RootDeviceName")
    devices = {
        mapping["DeviceName"]: int(mapping["Ebs"].get("VolumeSize", 0))
        for mapping in described.get("BlockDeviceMappings", ())
        if "Ebs" in mapping
    }
    if not root or root not in devices:
        raise MachineFailure(
            f"image {described['ImageId']} has no root volume on EBS; only such images can be baked on"
        )
    return SourceImage(
        id=described["ImageId"],
        architecture=described.get("Architecture", "x86_64"),
        root_device=root,
        size=devices[root],
        other_devices=tuple(sorted((name, size) for name, size in devices.items() if name != root)),
    )


def check_volume(volume: Volume, image: SourceImage) -> None:
    """MachineFailure if the image does not fit the root volume."""
    if volume.size is not None and volume.size < image.size:
        raise MachineFailure(
            f"a root volume of {volume.size} GiB is too small: that of image {image.id} has {image.size} GiB"
        )


def client_token(machine_id: str, nonce: str, number: int) -> str:
    """The token by which EC2 knows a repeated request for the same machine.

    A machine's name may be used again, when it is gone: that is another machine with another ``nonce``. And
    each attempt with parameters of its own must have a token of its own.
    """
    return hashlib.sha256(f"bakery {machine_id} {nonce} {number}".encode()).hexdigest()


@dataclass(frozen=True)
class Request:
    """All that is the same in every attempt to launch a machine."""

    wanted: Wanted
    image: SourceImage
    tags: Mapping[str, str]
    security_groups: Sequence[str]
    user_data: str

    def arguments(self, attempt: Attempt, token: str) -> dict[str, Any]:
        """The arguments of RunInstances."""
        wanted = self.wanted
        kinds = ["instance", "volume", "network-interface"]
        arguments: dict[str, Any] = {
            "ImageId": self.image.id,
            "InstanceType": attempt.instance_type,
            "MinCount": 1,
            "MaxCount": 1,
            "ClientToken": token,
            "UserData": self.user_data,
            "BlockDeviceMappings": _devices(wanted.volume, self.image),
            "InstanceInitiatedShutdownBehavior": "terminate",
            "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
            **_place(attempt, self.security_groups, public=wanted.login.address == PUBLIC),
        }
        if wanted.instance_profile:
            kind = "Arn" if wanted.instance_profile.startswith("arn:") else "Name"
            arguments["IamInstanceProfile"] = {kind: wanted.instance_profile}
        if attempt.market == SPOT:
            kinds.append("spot-instances-request")
            arguments["InstanceMarketOptions"] = {
                "MarketType": "spot",
                "SpotOptions": {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"},
            }
        arguments["TagSpecifications"] = ec2_tags.specifications(self.tags, kinds)
        return arguments


def _place(attempt: Attempt, groups: Sequence[str], *, public: bool) -> dict[str, Any]:
    if not public:
        # Whether it has a public address too is the subnet's business: it may need one to get out.
        return {"SubnetId": attempt.subnet.id, "SecurityGroupIds": list(groups)}
    interface = {
        "DeviceIndex": 0,
        "SubnetId": attempt.subnet.id,
        "Groups": list(groups),
        "AssociatePublicIpAddress": True,
        "DeleteOnTermination": True,
    }
    return {"NetworkInterfaces": [interface]}


def _devices(volume: Volume, image: SourceImage) -> list[dict[str, Any]]:
    """Every volume goes with the instance; the root one is keyed by the image's own name for it: any other
    name would make a second disk.
    """
    named = {
        "VolumeSize": volume.size or image.size,
        "VolumeType": volume.type,
        "Iops": volume.iops,
        "Throughput": volume.throughput,
        "Encrypted": True if volume.kms_key else volume.encrypted,
        "KmsKeyId": volume.kms_key,
    }
    root = {name: value for name, value in named.items() if value is not None}
    devices = [{"DeviceName": image.root_device, "Ebs": {"DeleteOnTermination": True, **root}}]
    devices += [
        {"DeviceName": name, "Ebs": {"DeleteOnTermination": True, "VolumeSize": size}}
        for name, size in image.other_devices
    ]
    return devices
