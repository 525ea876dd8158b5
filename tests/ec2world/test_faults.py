"""Calls are recorded, and go wrong where a test wants it."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.ec2world.calls import Call
from tests.ec2world.world import World

WANTED = {"MinCount": 1, "MaxCount": 1, "InstanceType": "t3.small"}


@pytest.fixture
def once(world: World) -> Any:
    """A client that tries each call once."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("ec2", config=config, **world.client_options)


def test_calls_are_recorded(world: World, ec2: Any) -> None:
    tags = [{"ResourceType": "security-group", "Tags": [{"Key": "Name", "Value": "one"}]}]
    group = ec2.create_security_group(GroupName="one", Description="d", TagSpecifications=tags)["GroupId"]
    boto3.client("sts", **world.client_options).get_caller_identity()
    first, second = world.calls
    assert (first.service, first.action, first.region, first.status) == (
        "ec2",
        "CreateSecurityGroup",
        world.region,
        200,
    )
    assert first.parameters["GroupName"] == "one"
    assert first.tags == {"security-group": {"Name": "one"}}
    assert group in first.ids
    assert (second.service, second.action) == ("sts", "GetCallerIdentity")


def test_a_refused_call_is_not_executed(world: World, once: Any) -> None:
    rule = world.faults.fail("RunInstances", "InsufficientInstanceCapacity", status=500, message="None left.")
    with pytest.raises(ClientError, match="None left") as refusal:
        once.run_instances(ImageId=world.base_image, **WANTED)
    assert refusal.value.response["Error"]["Code"] == "InsufficientInstanceCapacity"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert world.left()["instances"] == []
    assert rule.hits == 1
    once.run_instances(ImageId=world.base_image, **WANTED)


def test_capacity_is_gone_in_one_zone(world: World, once: Any) -> None:
    gone, other = world.subnets
    world.faults.fail(
        "RunInstances",
        "InsufficientInstanceCapacity",
        status=500,
        times=None,
        when=lambda call: call.parameters["SubnetId"] == gone,
    )
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        once.run_instances(ImageId=world.base_image, SubnetId=gone, **WANTED)
    (instance,) = once.run_instances(ImageId=world.base_image, SubnetId=other, **WANTED)["Instances"]
    assert instance["Placement"]["AvailabilityZone"].endswith("b")


def test_a_lost_answer_is_of_a_call_that_was_executed(world: World, once: Any) -> None:
    world.faults.drop("RunInstances")
    with pytest.raises(ConnectionClosedError):
        once.run_instances(ImageId=world.base_image, ClientToken="once", **WANTED)
    (lost,) = world.left()["instances"]
    assert world.calls[-1].status == 0
    (found,) = once.run_instances(ImageId=world.base_image, ClientToken="once", **WANTED)["Instances"]
    assert found["InstanceId"] == lost


def test_throttled_calls_are_tried_again_by_the_caller(world: World, ec2: Any) -> None:
    world.faults.throttle("DescribeImages", times=1)
    assert ec2.describe_images(ImageIds=[world.base_image])["Images"]
    assert [call.status for call in world.calls] == [503, 200]


def test_hooks_run_around_a_call(world: World, ec2: Any) -> None:
    seen: list[tuple[str, list[str]]] = []

    def before(call: Call) -> None:
        seen.append(("before", world.left()["security-groups"]))

    def after(call: Call) -> None:
        seen.append(("after", world.left()["security-groups"]))

    world.faults.before("CreateSecurityGroup", before)
    world.faults.after("CreateSecurityGroup", after)
    group = ec2.create_security_group(GroupName="one", Description="d")["GroupId"]
    assert seen == [("before", []), ("after", [group])]


def test_services_of_json_are_refused_in_their_words(world: World) -> None:
    world.faults.fail("GetParameter", "AccessDeniedException", status=400)
    ssm = boto3.client("ssm", **world.client_options)
    with pytest.raises(ssm.exceptions.ClientError, match="AccessDeniedException"):
        ssm.get_parameter(Name=world.base_ssm)


def dry_run(once: Any, operation: str, **arguments: Any) -> str:
    """The error code by which EC2 says what would become of a call."""
    with pytest.raises(ClientError) as told:
        getattr(once, operation)(DryRun=True, **arguments)
    return str(told.value.response["Error"]["Code"])


def test_a_dry_run_tells_what_is_allowed_and_does_nothing(world: World, once: Any) -> None:
    (started,) = once.run_instances(ImageId=world.base_image, **WANTED)["Instances"]
    instance = started["InstanceId"]
    world.wait_state(instance, "running")
    left = world.left()
    fault = world.faults.fail("StopInstances", "InternalError")
    assert dry_run(once, "stop_instances", InstanceIds=[instance]) == "DryRunOperation"
    assert dry_run(once, "create_image", InstanceId=instance, Name="one") == "DryRunOperation"
    assert dry_run(once, "run_instances", ImageId=world.base_image, **WANTED) == "DryRunOperation"
    assert (world.state(instance), world.left(), fault.hits) == ("running", left, 0)
    assert [call.action for call in world.calls if call.dry] == [
        "StopInstances",
        "CreateImage",
        "RunInstances",
    ]
    assert world.actions().count("RunInstances") == 1
    world.faults.clear()
    world.faults.forbid("StopInstances")
    assert dry_run(once, "stop_instances", InstanceIds=[instance]) == "UnauthorizedOperation"
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        once.stop_instances(InstanceIds=[instance])
    assert world.state(instance) == "running"
