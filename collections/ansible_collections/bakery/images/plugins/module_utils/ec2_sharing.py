# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use an image: launch permissions, and the permission to copy its snapshots."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws, AwsFailure
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import (
    find_image,
    look_at_snapshots,
    snapshots_of,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

_ACCOUNT = re.compile(r"\d{12}\Z")
_ORGANIZATION = re.compile(r"arn:[^:]+:organizations::\d{12}:organization/o-[a-z0-9]+\Z")
_UNIT = re.compile(r"arn:[^:]+:organizations::\d{12}:ou/o-[a-z0-9]+/ou-[a-z0-9-]+\Z")
_AWS_KEY = "alias/aws/ebs"
_MAY_NOT_KNOW = frozenset({"AccessDeniedException", "UnauthorizedOperation"})
# What EC2 calls each kind of audience in a launch permission.
_KINDS = {
    "accounts": "UserId",
    "organizations": "OrganizationArn",
    "organizational_units": "OrganizationalUnitArn",
}


@dataclass(frozen=True)
class Audience:
    """Accounts (ids), organisations and organisational units (ARNs)."""

    accounts: frozenset[str] = frozenset()
    organizations: frozenset[str] = frozenset()
    organizational_units: frozenset[str] = frozenset()

    def check(self) -> None:
        """MachineFailure for what EC2 would not understand."""
        shapes = (
            (self.accounts, _ACCOUNT, "account id (12 digits)"),
            (self.organizations, _ORGANIZATION, "ARN of an organisation"),
            (self.organizational_units, _UNIT, "ARN of an organisational unit"),
        )
        for members, shape, what in shapes:
            for member in sorted(members):
                if not shape.match(member):
                    raise MachineFailure(f"'{member}' is no {what}")

    def as_permissions(self) -> set[tuple[str, str]]:
        """Pairs of EC2's word for the kind, and the member."""
        return {(word, member) for kind, word in _KINDS.items() for member in getattr(self, kind)}

    def __bool__(self) -> bool:
        return bool(self.as_permissions())


@dataclass(frozen=True)
class Sharing:
    """Who may launch an image, and which accounts may copy each of its snapshots."""

    launch: frozenset[tuple[str, str]]
    snapshots: Mapping[str, frozenset[str]]

    def shown(self) -> dict[str, Any]:
        """For a diff: sorted and in words."""
        return {
            "launch": sorted(member for _word, member in self.launch),
            "snapshots": {snapshot: sorted(who) for snapshot, who in sorted(self.snapshots.items())},
        }


class SharedImage:
    """One image of this account that others may use."""

    def __init__(self, aws: Aws, image_id: str) -> None:
        self._aws = aws
        self._id = image_id
        image = find_image(aws, image_id)
        if image is None:
            raise MachineFailure(f"there is no image {image_id} in {aws.region}")
        if image["State"] != "available":
            # InvalidAMIID.Unavailable is what EC2 would say.
            raise MachineFailure(
                f"image {image_id} is {image['State']}; it can be shared once it is available"
            )
        self._snapshots = snapshots_of(image)
        self._owner = image.get("OwnerId", "")

    def wanted(self, audience: Audience) -> Sharing:
        """What there is to be for an audience. Organisations cannot be given a snapshot."""
        others = audience.as_permissions() - {("UserId", self._owner)}
        accounts = frozenset(member for word, member in others if word == "UserId")
        return Sharing(frozenset(others), dict.fromkeys(self._snapshots, accounts))

    def observed(self) -> Sharing:
        """What there is. Groups, such as all the world, are not ours to change."""
        answer = self._aws.call(
            "describe_image_attribute",
            f"look who may launch {self._id}",
            ImageId=self._id,
            Attribute="launchPermission",
        )
        launch = {
            (word, permission[word])
            for permission in answer.get("LaunchPermissions", ())
            for word in _KINDS.values()
            if word in permission
        }
        return Sharing(frozenset(launch), {one: self._may_copy(one) for one in self._snapshots})

    def refuse_impossible(self, wanted: Sharing) -> None:
        """MachineFailure if the image is encrypted with a key that AWS manages: nobody else can use it."""
        if not wanted.launch:
            return
        encrypted = [
            one
            for one in look_at_snapshots(self._aws, self._snapshots)
            if one.get("Encrypted") and one.get("KmsKeyId")
        ]
        if not encrypted:
            return
        managed = managed_key(self._aws)
        for snapshot in encrypted:
            if managed and snapshot["KmsKeyId"].rpartition("/")[2] == managed:
                raise MachineFailure(
                    f"image {self._id} cannot be shared: its snapshot {snapshot['SnapshotId']} is encrypted "
                    f"with {_AWS_KEY}, which no other account can use; encrypt it with a key of your own "
                    "(image.volume.kms_key)"
                )

    def apply(self, observed: Sharing, wanted: Sharing) -> None:
        """Bring what there is to what is wanted: what is added comes first."""
        if wanted.launch != observed.launch:
            self._set_launch(wanted.launch - observed.launch, observed.launch - wanted.launch)
        for snapshot in self._snapshots:
            now, then = observed.snapshots[snapshot], wanted.snapshots[snapshot]
            if now != then:
                self._set_copying(snapshot, then - now, now - then)

    def _may_copy(self, snapshot: str) -> frozenset[str]:
        answer = self._aws.call(
            "describe_snapshot_attribute",
            f"look who may copy {snapshot}",
            SnapshotId=snapshot,
            Attribute="createVolumePermission",
        )
        permissions = answer.get("CreateVolumePermissions", ())
        return frozenset(one["UserId"] for one in permissions if "UserId" in one)

    def _set_launch(self, more: Iterable[tuple[str, str]], fewer: Iterable[tuple[str, str]]) -> None:
        permission = {"Add": _permissions(more), "Remove": _permissions(fewer)}
        self._aws.call(
            "modify_image_attribute",
            f"share image {self._id}",
            ImageId=self._id,
            LaunchPermission={key: value for key, value in permission.items() if value},
        )

    def _set_copying(self, snapshot: str, more: Iterable[str], fewer: Iterable[str]) -> None:
        permission = {"Add": _users(more), "Remove": _users(fewer)}
        self._aws.call(
            "modify_snapshot_attribute",
            f"share snapshot {snapshot}",
            SnapshotId=snapshot,
            Attribute="createVolumePermission",
            CreateVolumePermission={key: value for key, value in permission.items() if value},
        )


def refuse_unshareable(
    aws: Aws,
    *,
    kms_key: str,
    encrypted: bool,
    regions: Mapping[str, Mapping[str, Any] | None] | None = None,
) -> None:
    """MachineFailure if what such a volume becomes could not be shared, or not its copy in one of ``regions``
    (with the options of each); asked before there is a volume.
    """
    is_encrypted = bool(kms_key or encrypted or _encrypts_by_default(aws))
    if is_encrypted:
        _refuse_managed(aws, kms_key, "image.volume.kms_key")
    for region, options in (regions or {}).items():
        if region == aws.region:
            continue
        there, key = aws.in_region(region), (options or {}).get("kms_key") or ""
        if key or is_encrypted or (options or {}).get("encrypted") or _encrypts_by_default(there):
            _refuse_managed(there, key, f"distribute.regions.{region}.kms_key")


def _refuse_managed(aws: Aws, kms_key: str, option: str) -> None:
    """MachineFailure if AWS manages the key, or without one the default key of the region."""
    try:
        key = kms_key or aws.call("get_ebs_default_kms_key_id", "ask for the default key")["KmsKeyId"]
        answer = aws.call("describe_key", f"look at the key {key}", service="kms", KeyId=key)
    except AwsFailure as failure:
        if failure.code in _MAY_NOT_KNOW:
            return  # it will be known when there is a snapshot
        raise
    metadata = answer["KeyMetadata"]
    if metadata.get("KeyManager") == "AWS" or metadata["KeyId"] == managed_key(aws):
        raise MachineFailure(
            f"an image under the key {key} could not be shared, which AWS manages for this account alone in "
            f"{aws.region}; write a key of your own as {option}"
        )


def _encrypts_by_default(aws: Aws) -> bool:
    try:
        answer = aws.call("get_ebs_encryption_by_default", "ask whether volumes are encrypted by default")
    except AwsFailure as failure:
        if failure.code in _MAY_NOT_KNOW:
            return False
        raise
    return bool(answer.get("EbsEncryptionByDefault"))


def managed_key(aws: Aws) -> str:
    """Id of the key for volumes that AWS manages in the region; empty if there is none, or we cannot know."""
    try:
        answer = aws.call("describe_key", f"look at {_AWS_KEY}", service="kms", KeyId=_AWS_KEY)
    except AwsFailure as failure:
        if failure.code in _MAY_NOT_KNOW or failure.code == "NotFoundException":
            return ""
        raise
    return str(answer["KeyMetadata"]["KeyId"])


def _permissions(members: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{word: member} for word, member in sorted(members)]


def _users(accounts: Iterable[str]) -> Sequence[dict[str, str]]:
    return [{"UserId": account} for account in sorted(accounts)]
