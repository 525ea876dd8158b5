"""An account of EC2 in memory: answers the calls that a test has answers for, and remembers all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.aws_calls import AwsFailure

Answer = Callable[..., dict[str, Any]]


class Account:
    """Has the interface of Aws."""

    def __init__(self, region: str = "eu-central-1", **answers: Answer) -> None:
        self.region = region
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, operation: str, about: str, /, **arguments: Any) -> dict[str, Any]:
        self.calls.append((operation, arguments))
        return self.answers[operation](**arguments)

    def pages(self, operation: str, about: str, /, **arguments: Any) -> Iterator[dict[str, Any]]:
        yield self.call(operation, about, **arguments)

    def in_region(self, region: str) -> Account:
        return self


def refusal(code: str) -> Answer:
    """An answer that is an error of the service."""

    def refuse(**arguments: Any) -> dict[str, Any]:
        raise AwsFailure(f"could not do it: {code}", code=code)

    return refuse


def image(image_id: str = "ami-0123456789abcdef0", **fields: Any) -> dict[str, Any]:
    """An image as DescribeImages tells of one."""
    return {
        "ImageId": image_id,
        "Name": "debian-12-amd64-20260101",
        "State": "available",
        "OwnerId": "123456789012",
        "Architecture": "x86_64",
        "CreationDate": "2026-01-01T00:00:00.000Z",
        "RootDeviceName": "/dev/xvda",
        "RootDeviceType": "ebs",
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-1", "VolumeSize": 8}},
        ],
        "BootMode": "uefi-preferred",
        "EnaSupport": True,
        **fields,
    }
