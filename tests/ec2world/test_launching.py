"""RunInstances and what follows, as EC2 has it and moto does not."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.ec2world.waiting import until
from tests.ec2world.world import World

WANTED = {"MinCount": 1, "MaxCount": 1, "InstanceType": "t3.small"}


def root(**ebs: Any) -> list[dict[str, Any]]:
    return [{"DeviceName": "/dev/xvda", "Ebs": ebs}]


def start(ec2: Any, world: World, **more: Any) -> dict[str, Any]:
    (instance,) = ec2.run_instances(**{"ImageId": world.base_image, **WANTED, **more})["Instances"]
    return dict(instance)


def described(ec2: Any, instance: dict[str, Any]) -> dict[str, Any]:
    found = ec2.describe_instances(InstanceIds=[instance["InstanceId"]])
    return dict(found["Reservations"][0]["Instances"][0])


def test_a_token_is_good_for_one_instance(world: World, ec2: Any) -> None:
    first = start(ec2, world, ClientToken="same")
    assert start(ec2, world, ClientToken="same")["InstanceId"] == first["InstanceId"]
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        start(ec2, world, ClientToken="same", InstanceType="t3.large")
    by_token = [{"Name": "client-token", "Values": ["same"]}]
    assert len(ec2.describe_instances(Filters=by_token)["Reservations"]) == 1
    assert len(world.left()["instances"]) == 1


def test_everything_is_tagged_at_creation(world: World, ec2: Any) -> None:
    kinds = ("instance", "volume", "network-interface")
    # A key of its own: an account remembers the tags of what other tests made and removed.
    tags = [{"ResourceType": kind, "Tags": [{"Key": "launched", "Value": kind}]} for kind in kinds]
    start(ec2, world, TagSpecifications=tags)
    found = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["launched"]}])["Tags"]
    assert sorted(tag["Value"] for tag in found) == sorted(kinds)


def test_the_root_volume_is_the_images_changed_by_the_request(world: World, ec2: Any) -> None:
    plain = described(ec2, start(ec2, world))
    (mapping,) = plain["BlockDeviceMappings"]
    assert (mapping["DeviceName"], mapping["Ebs"]["DeleteOnTermination"]) == ("/dev/xvda", True)
    wanted = root(VolumeSize=20, VolumeType="gp3", Throughput=250, Iops=4000)
    (mapping,) = described(ec2, start(ec2, world, BlockDeviceMappings=wanted))["BlockDeviceMappings"]
    (volume,) = ec2.describe_volumes(VolumeIds=[mapping["Ebs"]["VolumeId"]])["Volumes"]
    assert (volume["Size"], volume["VolumeType"], volume["Throughput"], volume["Iops"]) == (
        20,
        "gp3",
        250,
        4000,
    )
    with pytest.raises(ClientError, match="InvalidBlockDeviceMapping"):
        start(ec2, world, BlockDeviceMappings=root(VolumeSize=1))


def test_states_take_the_time_that_a_test_gives_them(world: World, ec2: Any) -> None:
    world.delays.instance_s = 3600
    instance = start(ec2, world)
    until(world.instances, what="a machine")
    assert described(ec2, instance)["State"]["Name"] == "pending"
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.stop_instances(InstanceIds=[instance["InstanceId"]])
    changed = ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])["TerminatingInstances"]
    assert changed[0]["CurrentState"]["Name"] == "shutting-down"
    world.wait_state(instance["InstanceId"], "terminated")


def test_an_instance_ends_for_reasons_of_the_cloud(world: World, ec2: Any) -> None:
    instance = start(ec2, world, InstanceMarketOptions={"MarketType": "spot"})
    assert described(ec2, instance)["InstanceLifecycle"] == "spot"
    world.end_instance(
        instance["InstanceId"], code="Server.SpotInstanceTermination", message="Server: reclaimed"
    )
    world.wait_state(instance["InstanceId"], "terminated")
    assert described(ec2, instance)["StateReason"]["Code"] == "Server.SpotInstanceTermination"
    assert world.left()["volumes"] == []


def test_a_key_that_cannot_be_used_ends_the_instance_later(world: World, ec2: Any) -> None:
    mapping = root(Encrypted=True, KmsKeyId="alias/none")
    instance = start(ec2, world, BlockDeviceMappings=mapping)
    world.wait_state(instance["InstanceId"], "terminated")
    assert described(ec2, instance)["StateReason"]["Code"].startswith("Client.InvalidKMSKey")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "debian"}, "InvalidAMIID.Malformed"),
        ({"InstanceType": "t3.huge"}, "InvalidParameterValue"),
        ({"InstanceType": "t4g.small"}, "InvalidParameterValue"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
        ({"UserData": "x" * 16_385}, "InvalidParameterValue"),
        ({"IamInstanceProfile": {"Name": "none"}}, "InvalidParameterValue"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_what_cannot_be_launched_is_refused(world: World, ec2: Any, wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refusal:
        start(ec2, world, **wrong)
    assert refusal.value.response["Error"]["Code"] == code
    assert world.left()["instances"] == []


def test_a_group_in_use_stays(world: World, ec2: Any) -> None:
    group = ec2.create_security_group(GroupName="one", Description="d")["GroupId"]
    instance = start(ec2, world, SecurityGroupIds=[group])
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    world.wait_state(instance["InstanceId"], "terminated")
    ec2.delete_security_group(GroupId=group)
    assert not any(world.left().values())


def test_instances_are_counted_and_spread_by_subnet(world: World, ec2: Any) -> None:
    several = ec2.run_instances(
        ImageId=world.base_image, MinCount=1, MaxCount=2, InstanceType="t3.small", SubnetId=world.subnets[1]
    )["Instances"]
    assert len({instance["PrivateIpAddress"] for instance in several}) == 2
    assert {instance["SubnetId"] for instance in several} == {world.subnets[1]}
