"""Images and snapshots, as EC2 has them and moto does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.ec2world.world import World


def tagged(*kinds: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "kind", "Value": kind}]} for kind in kinds]


@pytest.fixture
def stopped(world: World, ec2: Any) -> str:
    """An instance that is stopped."""
    mapping = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 10, "VolumeType": "gp3", "Encrypted": True}}
    started = ec2.run_instances(
        ImageId=world.base_image,
        MinCount=1,
        MaxCount=1,
        InstanceType="t3.small",
        BlockDeviceMappings=[mapping],
    )
    instance_id = str(started["Instances"][0]["InstanceId"])
    world.wait_state(instance_id, "running")
    ec2.stop_instances(InstanceIds=[instance_id])
    world.wait_state(instance_id, "stopped")
    return instance_id


@pytest.fixture
def key(world: World) -> str:
    """A key of the account's own, by its ARN."""
    kms = boto3.client("kms", **world.client_options)
    return str(kms.create_key()["KeyMetadata"]["Arn"])


def one(ec2: Any, image: str) -> dict[str, Any]:
    (found,) = ec2.describe_images(ImageIds=[image])["Images"]
    return dict(found)


def test_an_image_tells_what_it_is_of(world: World, ec2: Any, stopped: str) -> None:
    image = ec2.create_image(
        InstanceId=stopped, Name="web", Description="the web", TagSpecifications=tagged("image", "snapshot")
    )["ImageId"]
    found, base = one(ec2, image), one(ec2, world.base_image)
    same = ("Architecture", "BootMode", "EnaSupport", "ImdsSupport", "RootDeviceName", "RootDeviceType")
    assert [found[name] for name in same] == [base[name] for name in same]
    assert (found["SourceInstanceId"], found["State"], found["Description"]) == (
        stopped,
        "available",
        "the web",
    )
    (mapping,) = found["BlockDeviceMappings"]
    assert (mapping["Ebs"]["VolumeSize"], mapping["Ebs"]["Encrypted"]) == (10, True)
    (snapshot,) = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert (snapshot["SnapshotId"], snapshot["State"], snapshot["VolumeSize"]) == (
        mapping["Ebs"]["SnapshotId"],
        "completed",
        10,
    )
    assert (found["Tags"][0]["Value"], snapshot["Tags"][0]["Value"]) == ("image", "snapshot")
    by_snapshot = [{"Name": "block-device-mapping.snapshot-id", "Values": [snapshot["SnapshotId"]]}]
    assert [i["ImageId"] for i in ec2.describe_images(Filters=by_snapshot)["Images"]] == [image]
    by_tag = [{"Name": "tag:kind", "Values": ["im*"]}]
    assert [i["ImageId"] for i in ec2.describe_images(Owners=["self"], Filters=by_tag)["Images"]] == [image]


def test_a_name_is_taken_once(ec2: Any, stopped: str) -> None:
    image = ec2.create_image(InstanceId=stopped, Name="web")["ImageId"]
    with pytest.raises(ClientError, match=rf"Duplicate.*{image}"):
        ec2.create_image(InstanceId=stopped, Name="web")
    with pytest.raises(ClientError, match="Malformed"):
        ec2.create_image(InstanceId=stopped, Name="web*")
    ec2.deregister_image(ImageId=image)
    ec2.create_image(InstanceId=stopped, Name="web")


def test_an_image_is_pending_until_it_is_finished_or_fails(world: World, ec2: Any, stopped: str) -> None:
    world.delays.image_s = 3600
    image = ec2.create_image(InstanceId=stopped, Name="web")["ImageId"]
    (snapshot,) = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert (one(ec2, image)["State"], snapshot["State"], snapshot["Progress"]) == ("pending", "pending", "0%")
    with pytest.raises(ClientError, match=r"InvalidAMIID\.Unavailable"):
        ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.small")
    with pytest.raises(ClientError, match=r"InvalidAMIID\.Unavailable"):
        ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": "111122223333"}]})
    world.finish_image(image)
    assert one(ec2, image)["State"] == "available"
    other = ec2.create_image(InstanceId=stopped, Name="other")["ImageId"]
    world.fail_image(other, "the disk is on fire")
    assert one(ec2, other)["StateReason"]["Message"] == "the disk is on fire"
    states = [s["State"] for s in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]]
    assert sorted(states) == ["completed", "error"]


def test_a_snapshot_in_use_stays_until_its_image_goes(world: World, ec2: Any, stopped: str) -> None:
    image = ec2.create_image(InstanceId=stopped, Name="web")["ImageId"]
    (snapshot,) = world.image(image).snapshot_ids
    with pytest.raises(ClientError, match=r"InvalidSnapshot\.InUse"):
        ec2.delete_snapshot(SnapshotId=snapshot)
    ec2.deregister_image(ImageId=image)
    assert world.left()["snapshots"] == [snapshot]
    ec2.delete_snapshot(SnapshotId=snapshot)
    second = ec2.create_image(InstanceId=stopped, Name="web")["ImageId"]
    deleted = ec2.deregister_image(ImageId=second, DeleteAssociatedSnapshots=True)["DeleteSnapshotResults"]
    assert [result["ReturnCode"] for result in deleted] == ["success"]
    assert world.left()["snapshots"] == world.left()["images"] == []
    with pytest.raises(ClientError, match=r"InvalidAMIID\.Unavailable"):
        ec2.deregister_image(ImageId=second)


def test_an_image_is_protected_and_deprecated(ec2: Any, stopped: str) -> None:
    image = ec2.create_image(InstanceId=stopped, Name="web")["ImageId"]
    when = datetime.now(UTC) + timedelta(days=90)
    ec2.enable_image_deprecation(ImageId=image, DeprecateAt=when)
    ec2.enable_image_deregistration_protection(ImageId=image)
    found = one(ec2, image)
    assert found["DeprecationTime"].startswith(when.strftime("%Y-%m-%dT%H:%M"))
    assert found["DeregistrationProtection"] == "enabled-without-cooldown"
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        ec2.deregister_image(ImageId=image)
    ec2.disable_image_deregistration_protection(ImageId=image)
    ec2.disable_image_deprecation(ImageId=image)
    assert "DeprecationTime" not in one(ec2, image)
    ec2.deregister_image(ImageId=image)


def test_a_copy_in_another_region_has_its_own_snapshots_and_tags(
    world: World, ec2: Any, stopped: str
) -> None:
    image = ec2.create_image(InstanceId=stopped, Name="web", TagSpecifications=tagged("image"))["ImageId"]
    there = boto3.client("ec2", **world.client_options | {"region_name": "us-east-1"})
    wanted = {
        "Name": "web",
        "SourceImageId": image,
        "SourceRegion": world.region,
        "TagSpecifications": tagged("image", "snapshot"),
        "ClientToken": "once",
    }
    copy = there.copy_image(**wanted)["ImageId"]
    assert there.copy_image(**wanted)["ImageId"] == copy
    found = one(there, copy)
    assert (found["SourceImageId"], found["SourceImageRegion"]) == (image, world.region)
    assert found["Tags"] == [{"Key": "kind", "Value": "image"}]
    (snapshot,) = there.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert snapshot["SnapshotId"] == found["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert snapshot["Encrypted"]
    with pytest.raises(ClientError, match=r"InvalidAMIID\.NotFound"):
        ec2.describe_images(ImageIds=[copy])


def test_a_copy_with_a_key_that_is_not_there_fails_later(world: World, ec2: Any, stopped: str) -> None:
    image = ec2.create_image(InstanceId=stopped, Name="web")["ImageId"]
    there = boto3.client("ec2", **world.client_options | {"region_name": "us-east-1"})
    copy = there.copy_image(
        Name="web", SourceImageId=image, SourceRegion=world.region, Encrypted=True, KmsKeyId="alias/none"
    )["ImageId"]
    assert one(there, copy)["State"] == "failed"


def test_sharing_adds_permissions_for_accounts_and_organisations(
    world: World, ec2: Any, stopped: str, key: str
) -> None:
    image = ec2.create_image(InstanceId=stopped, Name="web")["ImageId"]
    with pytest.raises(ClientError, match="AWS managed key"):
        ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": "111122223333"}]})
    copy = ec2.copy_image(
        Name="shared", SourceImageId=image, SourceRegion=world.region, Encrypted=True, KmsKeyId=key
    )["ImageId"]
    organisation = "arn:aws:organizations::123456789012:organization/o-1234567890"
    add = [{"UserId": "111122223333"}, {"OrganizationArn": organisation}]
    ec2.modify_image_attribute(ImageId=copy, LaunchPermission={"Add": add})
    told = ec2.describe_image_attribute(ImageId=copy, Attribute="launchPermission")["LaunchPermissions"]
    assert told == add
    (snapshot,) = world.image(copy).snapshot_ids
    ec2.modify_snapshot_attribute(
        SnapshotId=snapshot, CreateVolumePermission={"Add": [{"UserId": "111122223333"}]}
    )
    told = ec2.describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
    assert told["CreateVolumePermissions"] == [{"UserId": "111122223333"}]
    (found,) = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    assert found["KmsKeyId"] == key
