"""Images and their snapshots, true where moto's are made up: states that take time, mappings, hardware."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models.amis import Ami
from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.utils import random_ami_id, random_snapshot_id

from tests.ec2world.machine import Disk
from tests.ec2world.vm_image import VmDisk

NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")


@dataclass(frozen=True)
class Hardware:
    """What an image says of the machines that it is for."""

    architecture: str = "x86_64"
    boot_mode: str | None = None
    ena: bool = True
    imds: str | None = None
    tpm: str | None = None
    platform_details: str = "Linux/UNIX"
    usage_operation: str = "RunInstances"


@dataclass(frozen=True)
class SourceVolume:
    """The volume that a snapshot says it is of."""

    id: str
    size: int


@dataclass
class Outcome:
    """How long something is pending, and what becomes of it; shared by an image and its snapshots."""

    ready_at: float = 0.0
    failure: str = ""
    begun: float = field(default_factory=time.monotonic)

    @classmethod
    def after(cls, seconds: float, *, failure: str = "") -> Outcome:
        return cls(time.monotonic() + seconds, failure)

    @property
    def pending(self) -> bool:
        return time.monotonic() < self.ready_at

    @property
    def percent(self) -> int:
        now = time.monotonic()
        if now >= self.ready_at:
            return 100
        return int(100 * (now - self.begun) / (self.ready_at - self.begun))


class DiskSnapshot(Snapshot):
    """A snapshot that has something on it."""

    def __init__(self, backend: Any, volume: SourceVolume, outcome: Outcome, **more: Any) -> None:
        self.outcome = outcome
        self.disk: Disk | VmDisk | None = more.pop("disk", None)
        super().__init__(backend, more.pop("snapshot_id", random_snapshot_id()), volume, **more)
        backend.snapshots[self.id] = self

    @property
    def status(self) -> str:
        if self.outcome.pending:
            return "pending"
        return "error" if self.outcome.failure else "completed"

    @status.setter
    def status(self, value: str) -> None:
        """moto's own constructor sets one."""

    @property
    def state_message(self) -> str | None:
        return self.outcome.failure if self.status == "error" else None

    @property
    def progress(self) -> str:
        return f"{self.outcome.percent}%"


class Image(Ami):
    """An image. Of moto's class it has the interface that the rest of moto wants, and nothing else."""

    def __init__(
        self, backend: Any, name: str, hardware: Hardware, outcome: Outcome, *, description: str = ""
    ) -> None:
        self.ec2_backend = backend
        self.id = random_ami_id()
        self.name, self.description = name, description
        self.hardware, self.outcome = hardware, outcome
        self.owner_id, self.owner_alias = backend.account_id, None
        self.creation_date: datetime = utcnow()
        self.launch_permissions: list[dict[str, str]] = []
        self.mappings: list[dict[str, Any]] = []
        self.source_instance: str | None = None
        self.source_image: tuple[str, str] | None = None
        self.deprecation_time: str | None = None
        self.protected = False
        self.imds = hardware.imds
        self._state = "available"
        self.root_device_name, self.root_device_type = "/dev/xvda", "ebs"
        self.virtualization_type, self.architecture = "hvm", hardware.architecture
        self.boot_mode, self.hypervisor, self.image_type = hardware.boot_mode, "xen", "machine"
        self.platform, self.kernel_id, self.instance_id = None, None, None
        self.product_codes: set[str] = set()
        self.sriov = "simple"
        backend.amis[self.id] = self

    @property
    def state(self) -> str:
        if self.outcome.pending:
            return "pending"
        return "failed" if self.outcome.failure else self._state

    @state.setter
    def state(self, value: str) -> None:
        self._state = value

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        return self.mappings

    @property
    def snapshot_ids(self) -> list[str]:
        return [mapping["Ebs"]["SnapshotId"] for mapping in self.mappings if "Ebs" in mapping]

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.ec2_backend.tags.get(self.id, {}))

    def is_visible_to(self, account: str) -> bool:
        """Whether the account may see and launch it."""
        shared = ({"Group": "all"}, {"UserId": account})
        return self.owner_id == account or any(item in self.launch_permissions for item in shared)

    def described(self) -> dict[str, Any]:
        """The image as DescribeImages has it."""
        hardware, failure = self.hardware, self.outcome.failure
        found = {
            "ImageId": self.id,
            "Name": self.name,
            "Description": self.description or None,
            "ImageLocation": f"{self.owner_id}/{self.name}",
            "OwnerId": self.owner_id,
            "State": self.state,
            "StateReason": {"Code": "Client.InternalError", "Message": failure} if failure else None,
            "CreationDate": self.creation_date,
            "Public": self.is_public,
            "Architecture": self.architecture,
            "ImageType": "machine",
            "PlatformDetails": hardware.platform_details,
            "UsageOperation": hardware.usage_operation,
            "BlockDeviceMappings": self.mappings if self.state != "pending" or self.mappings else [],
            "RootDeviceName": self.root_device_name,
            "RootDeviceType": "ebs",
            "VirtualizationType": "hvm",
            "Hypervisor": "xen",
            "EnaSupport": hardware.ena,
            "SriovNetSupport": "simple",
            "BootMode": hardware.boot_mode,
            "TpmSupport": hardware.tpm,
            "ImdsSupport": self.imds,
            "DeprecationTime": self.deprecation_time,
            "DeregistrationProtection": "enabled-without-cooldown" if self.protected else "disabled",
            "SourceInstanceId": self.source_instance,
            "SourceImageId": self.source_image[0] if self.source_image else None,
            "SourceImageRegion": self.source_image[1] if self.source_image else None,
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()],
        }
        return {name: value for name, value in found.items() if value is not None and value != []}

    def matches(self, name: str, patterns: list[str]) -> bool:
        """Whether a filter of DescribeImages takes it; KeyError for one that this world does not know."""
        return any(fnmatchcase(value, pattern) for value in self._values(name) for pattern in patterns)

    def _values(self, name: str) -> list[str]:
        if name.startswith("tag:"):
            return [value for key, value in self.tags.items() if key == name.removeprefix("tag:")]
        if name == "tag-key":
            return list(self.tags)
        if name == "block-device-mapping.snapshot-id":
            return self.snapshot_ids
        if name == "creation-date":
            return [self.creation_date.strftime("%Y-%m-%dT%H:%M:%S.000Z")]
        value = self.described().get(_FILTERS[name])
        return [] if value is None else [str(value).lower() if isinstance(value, bool) else str(value)]


_FILTERS = {
    "architecture": "Architecture",
    "boot-mode": "BootMode",
    "description": "Description",
    "ena-support": "EnaSupport",
    "hypervisor": "Hypervisor",
    "image-id": "ImageId",
    "image-type": "ImageType",
    "is-public": "Public",
    "name": "Name",
    "owner-id": "OwnerId",
    "root-device-name": "RootDeviceName",
    "root-device-type": "RootDeviceType",
    "source-image-id": "SourceImageId",
    "source-image-region": "SourceImageRegion",
    "source-instance-id": "SourceInstanceId",
    "state": "State",
    "virtualization-type": "VirtualizationType",
}
