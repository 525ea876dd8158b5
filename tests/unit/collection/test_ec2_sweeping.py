"""What is dead in an account, and what is not."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.ec2_sweeping import Ec2Sweep, is_dead
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner, boot_id, process_start

from tests.unit.collection.ec2_account import Account, image, refusal

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LIVING = Owner(bake="b1", pid=os.getpid(), start=process_start(os.getpid()) or 0, boot=boot_id())
DEAD = Owner(bake="b0", pid=os.getpid(), start=1, boot=boot_id())
ELSEWHERE = Owner(bake="b2", pid=1, start=1, boot="another-boot")
PAST, FUTURE = NOW.timestamp() - 1, NOW.timestamp() + 3600


def tags(owner: Owner | None, *, expires: float = FUTURE, **more: str) -> dict[str, str]:
    status = {ec2_tags.STATUS: more["status"]} if "status" in more else {}
    return {**ec2_tags.owned("web-1", owner, expires=expires), **status}


@pytest.mark.parametrize(
    ("given", "dead"),
    [
        (tags(DEAD), True),
        (tags(LIVING), False),
        (tags(LIVING, expires=PAST), False),
        (tags(ELSEWHERE), False),
        (tags(ELSEWHERE, expires=PAST), True),
        (tags(None), False),
        (tags(None, expires=PAST), True),
        (tags(DEAD, status="unverified"), True),
        (tags(DEAD, status="verified"), False),
        (tags(None, status="verified", expires=PAST), False),
        ({ec2_tags.MACHINE: "web-1"}, False),
        ({ec2_tags.MACHINE: "web-1", ec2_tags.EXPIRES: "soon"}, False),
        ({ec2_tags.EXPIRES: "2020-01-01T00:00:00Z"}, False),
        ({}, False),
    ],
)
def test_only_what_a_gone_process_of_this_host_owns_or_has_expired_is_dead(
    given: dict[str, str], dead: bool
) -> None:
    assert is_dead(given, now=NOW) is dead


def account(**things: list[dict[str, Any]]) -> Account:
    """An account with things of each kind; removing takes them out."""

    def instances(**arguments: Any) -> dict[str, Any]:
        (wanted,) = arguments["Filters"]
        found = things.get("instances", [])
        if wanted["Name"] == "instance-id":
            found = [one for one in found if one["InstanceId"] in wanted["Values"]]
        return {"Reservations": [{"Instances": found}]}

    def terminate(**arguments: Any) -> dict[str, Any]:
        for one in things["instances"]:
            if one["InstanceId"] in arguments["InstanceIds"]:
                one["State"] = {"Name": "terminated"}
        return {}

    def taking(kind: str, key: str) -> Any:
        def take(**arguments: Any) -> dict[str, Any]:
            things[kind] = [one for one in things.get(kind, []) if one[key] != arguments[key]]
            return {}

        return take

    return Account(
        describe_instances=instances,
        describe_volumes=lambda **_: {"Volumes": things.get("volumes", [])},
        describe_network_interfaces=lambda **_: {"NetworkInterfaces": things.get("interfaces", [])},
        describe_security_groups=lambda **_: {"SecurityGroups": things.get("groups", [])},
        describe_images=lambda **_: {"Images": things.get("images", [])},
        describe_snapshots=lambda **_: {"Snapshots": things.get("snapshots", [])},
        terminate_instances=terminate,
        deregister_image=taking("images", "ImageId"),
        delete_snapshot=taking("snapshots", "SnapshotId"),
        delete_volume=taking("volumes", "VolumeId"),
        delete_network_interface=taking("interfaces", "NetworkInterfaceId"),
        delete_security_group=taking("groups", "GroupId"),
    )


def tagged(owner: Owner | None, **more: str) -> list[dict[str, str]]:
    return ec2_tags.to_list(tags(owner, **more))


def full_account() -> Account:
    return account(
        instances=[
            {"InstanceId": "i-stopped", "State": {"Name": "stopped"}, "Tags": tagged(DEAD)},
            {"InstanceId": "i-alive", "State": {"Name": "running"}, "Tags": tagged(LIVING)},
            {"InstanceId": "i-gone", "State": {"Name": "terminated"}, "Tags": tagged(DEAD)},
        ],
        volumes=[
            {"VolumeId": "vol-dead", "State": "available", "Tags": tagged(DEAD)},
            {"VolumeId": "vol-alive", "State": "in-use", "Tags": tagged(LIVING)},
        ],
        interfaces=[{"NetworkInterfaceId": "eni-dead", "TagSet": tagged(DEAD)}],
        groups=[
            {"GroupId": "sg-dead", "Tags": tagged(DEAD)},
            {"GroupId": "sg-alive", "Tags": tagged(LIVING)},
        ],
        images=[
            image("ami-dead", State="pending", Tags=tagged(DEAD, status="unverified")),
            image("ami-done", Tags=tagged(DEAD, status="verified")),
            image("ami-odd", Tags=tagged(DEAD)),
            image("ami-alive", Tags=tagged(LIVING, status="unverified")),
        ],
        snapshots=[
            {"SnapshotId": "snap-1", "Tags": tagged(DEAD, status="unverified")},
            {"SnapshotId": "snap-orphan", "Tags": tagged(DEAD, status="unverified")},
            {"SnapshotId": "snap-done", "Tags": tagged(DEAD, status="verified")},
        ],
    )


def test_a_sweep_finds_all_kinds_and_looking_changes_nothing() -> None:
    there = full_account()
    left = Ec2Sweep(there).find()
    assert vars(left) == {
        "instances": ["i-stopped"],
        "volumes": ["vol-dead"],
        "network_interfaces": ["eni-dead"],
        "security_groups": ["sg-dead"],
        "images": ["ami-dead"],
        "snapshots": ["snap-1", "snap-orphan"],
        "machines": ["web-1"],
    }
    assert all(operation.startswith("describe") for operation, _arguments in there.calls)


def test_a_sweep_removes_what_it_found_and_then_finds_nothing() -> None:
    there = full_account()
    sweep = Ec2Sweep(there)
    sweep.remove(sweep.find())
    assert not Ec2Sweep(there).find()
    removals = [arguments for operation, arguments in there.calls if not operation.startswith("describe")]
    assert removals == [
        {"InstanceIds": ["i-stopped"]},
        {"ImageId": "ami-dead"},
        {"SnapshotId": "snap-1"},
        {"SnapshotId": "snap-orphan"},
        {"VolumeId": "vol-dead"},
        {"NetworkInterfaceId": "eni-dead"},
        {"GroupId": "sg-dead"},
    ]


def test_what_withstands_is_told_and_keeps_nothing_else_from_going() -> None:
    there = full_account()
    there.answers["deregister_image"] = refusal("OperationNotPermitted")
    sweep = Ec2Sweep(there)
    with pytest.raises(MachineFailure, match="OperationNotPermitted"):
        sweep.remove(sweep.find())
    assert Ec2Sweep(there).find().images == ["ami-dead"]
    assert not Ec2Sweep(there).find().volumes


def test_what_is_gone_meanwhile_is_no_trouble() -> None:
    there = full_account()
    there.answers["delete_volume"] = refusal("InvalidVolume.NotFound")
    sweep = Ec2Sweep(there)
    sweep.remove(sweep.find())
