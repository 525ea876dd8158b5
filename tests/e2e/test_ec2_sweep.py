"""What dead bakes left in an account goes, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_throwaway import Ec2Machines
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines, new_journal
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner
from ansible_collections.bakery.images.plugins.modules import ec2_sweep
from ansible_collections.bakery.images.plugins.plugin_utils.in_worker import run_main

from tests.e2e.ec2_machines import (
    Ec2Target,
    dead_owner,
    living_owner,
    nothing_left,
    present,
    verified,
)
from tests.ec2world.waiting import until
from tests.ec2world.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

IRELAND, VIRGINIA = "eu-west-1", "us-east-1"
OTHER = "210987654321"


def sweep(target: Ec2Target, **options: Any) -> dict[str, list[str]]:
    given = {"home": str(target.home), "regions": [IRELAND], **options}
    result = run_main(ec2_sweep.main, given)
    assert not result.get("failed"), result
    swept: dict[str, list[str]] = result["swept"]
    return swept


def test_a_sweep_removes_the_deads_things_and_nothing_else(target: Ec2Target, world: World) -> None:
    """A stopped instance, an image, a volume and a group of the dead; the same of the living; others'."""
    verified_image = verified(target)["id"]
    target.owner = dead_owner()
    stopped = target.running("dead-1")
    target.ec2.stop_instances(InstanceIds=[stopped])
    group = made_group(target, "dead-1")
    volume = made_volume(target, "dead-1")
    target.running("dead-2")
    image = present(target, "dead-2")["artifact"]["id"]
    target.owner = living_owner()
    alive = target.running("alive-1")
    alive_group = made_group(target, "alive-1")
    others = target.ec2.run_instances(ImageId=world.base_image, MinCount=1, MaxCount=1)["Instances"][0]
    world.wait_state(stopped, "stopped")

    calls = len(world.calls)
    told = sweep(target, _ansible_check_mode=True)
    assert all(action.startswith("Describe") for action in world.actions()[calls:])
    assert told["instances"] == [stopped]
    assert told["images"] == [image]
    assert told["security_groups"] == [group]
    assert volume in told["volumes"]
    assert told["machines"] == ["dead-1", "dead-2"]

    assert sweep(target) == told
    left = world.left()
    assert sorted(left["instances"]) == sorted([alive, others["InstanceId"]])
    assert left["images"] == [verified_image]
    assert left["security-groups"] == [alive_group]
    assert volume not in left["volumes"]
    assert len(left["snapshots"]) == 1
    assert not any(sweep(target).values())


def test_a_bake_killed_while_its_image_is_pending_is_swept(target: Ec2Target, world: World) -> None:
    target.launch("web-1")
    wanted = target.capture("web-1")
    world.delays.image_s = 600
    process = target.begin("capture", **wanted)
    until(lambda: world.left()["images"], what="the image is being made", timeout_s=120)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not any(sweep(target).values()), "its owner, this process, lives"
    for thing in (*world.left()["images"], *world.left()["snapshots"], *world.left()["instances"]):
        tags = ec2_tags.owned("web-1", dead_owner(), expires=0)
        target.ec2.create_tags(
            Resources=[thing], Tags=[{"Key": ec2_tags.OWNER, "Value": tags[ec2_tags.OWNER]}]
        )
    assert sweep(target)["machines"] == ["web-1"]
    nothing_left(world)
    until(lambda: not world.left()["instances"], what="the instance is gone")


def test_a_machine_is_swept_where_its_journal_says_that_it_is(target: Ec2Target, world: World) -> None:
    dead = dead_owner()
    details = {"region": VIRGINIA}
    machines = Machines(str(target.home / "ec2"))
    machines.begin(new_journal("far-1", "bake", owner=dead, ttl_s=3600, details=details))
    tags = ec2_tags.owned("far-1", dead, expires=time.time() + 3600)
    group = target.client(VIRGINIA).create_security_group(
        GroupName="bakery-far-1",
        Description="ssh",
        TagSpecifications=ec2_tags.specifications(tags, ["security-group"]),
    )["GroupId"]
    assert sweep(target)["security_groups"] == [group]
    assert world.left(VIRGINIA)["security-groups"] == []
    assert machines.names() == []


def test_what_waits_for_a_slow_instance_is_left_to_the_sweep(target: Ec2Target, world: World) -> None:
    target.owner = dead_owner()
    group = made_group(target, "slow-1")
    instance = target.running("slow-1", SecurityGroupIds=[group])
    world.delays.terminate_s = 5
    machines = Ec2Machines(str(target.home / "ec2"), Aws(world.region), patience_s=1)
    found, (warning,) = machines.discard("slow-1")
    assert found
    assert "slow-1 is not gone after 1 seconds" in warning
    assert warning.endswith(f"; 'bakery sweep' removes {group} later")
    assert world.left()["security-groups"] == [group]
    world.wait_state(instance, "terminated")
    assert sweep(target)["security_groups"] == [group]
    assert world.left()["security-groups"] == []


# Tells its process as the owner of something, and waits.
_OWNER = """
import json, os
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner, boot_id, process_start
owner = Owner(bake="b", pid=os.getpid(), start=process_start(os.getpid()), boot=boot_id())
print(json.dumps(owner.to_wire()), flush=True)
input()
"""


def test_a_bake_in_another_container_of_this_host_is_left_alone(target: Ec2Target, world: World) -> None:
    """Its process has another id there than here, where nobody may have it."""
    words = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", _OWNER]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout
        owner = Owner.from_wire(json.loads(process.stdout.readline()))
        assert owner
        assert owner.pid == 1
        target.owner = owner
        group = made_group(target, "elsewhere-1")
        assert not any(sweep(target).values())
        assert world.left()["security-groups"] == [group]
        process.communicate("")


def made_group(target: Ec2Target, machine_id: str) -> str:
    made = target.ec2.create_security_group(
        GroupName=f"bakery-{machine_id}",
        Description="ssh",
        TagSpecifications=ec2_tags.specifications(target.tags(machine_id), ["security-group"]),
    )
    return str(made["GroupId"])


def made_volume(target: Ec2Target, machine_id: str) -> str:
    made = target.ec2.create_volume(
        AvailabilityZone=f"{target.world.region}a",
        Size=1,
        TagSpecifications=ec2_tags.specifications(target.tags(machine_id), ["volume"]),
    )
    return str(made["VolumeId"])
