"""Throwaway instances: launched, worked in and discarded, and what stays when that goes wrong."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from bakery.testinfra_backend import open_way
from tests.e2e.ec2_runs import RELAY, Ec2, Result, entry_point, kill_tree, nothing_left
from tests.ec2world.calls import Call
from tests.ec2world.waiting import until
from tests.ec2world.world import World

pytestmark = pytest.mark.slow

CAPACITY = "InsufficientInstanceCapacity"


@pytest.fixture
def ec2(world: World, tmp_path: Path, repository: Path, bin_directory: Path) -> Ec2:
    home = tmp_path / "home"
    home.mkdir()
    return Ec2(world, home, bin_directory / "ansible-playbook", repository / "collections")


@pytest.fixture
def client(world: World) -> Any:
    return boto3.client("ec2", **world.client_options)


def test_a_machine_is_launched_worked_in_and_discarded(ec2: Ec2, client: Any) -> None:
    world = ec2.world
    variables = {
        "bakery_machine_id": "web-1",
        "bakery_base_config": {"image": world.base_image},
        "bakery_options": {"region": world.region, "launch": ec2.launch(), "image": {"volume": {"size": 9}}},
        "bakery_role_set": "web",
        "bakery_ttl_s": 1800,
    }
    keep = {
        "ansible.builtin.copy": {"content": "{{ bakery_launched | to_json }}", "dest": f"{ec2.home}.json"}
    }
    work = [
        {"ansible.builtin.ping": {}},
        {"ansible.builtin.command": {"cmd": "id -u"}, "register": "who"},
        {"ansible.builtin.assert": {"that": ["who.stdout == '0'"]}},
        {"ansible.builtin.setup": {"gather_subset": ["!all", "network"]}},
    ]
    output = ec2.play(
        ec2.local([entry_point("launch"), keep], **variables),
        {"hosts": "machine", "gather_facts": False, "tasks": work},
    )
    assert output.count("EXECUTOR python") >= 3, output
    launched = json.loads(Path(f"{ec2.home}.json").read_text())
    assert launched["instance"]["id"] in [machine.instance_id for machine in world.instances()]
    assert [attempt["outcome"] for attempt in launched["attempts"]] == ["started"]

    described = client.describe_instances(InstanceIds=[launched["instance"]["id"]])
    (instance,) = described["Reservations"][0]["Instances"]
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert (tags["bakery:machine"], tags["bakery:role-set"]) == ("web-1", "web")
    (volume,) = client.describe_volumes()["Volumes"]
    assert volume["Size"] == 9
    (group,) = client.describe_security_groups(GroupIds=[instance["SecurityGroups"][0]["GroupId"]])[
        "SecurityGroups"
    ]
    (rule,) = group["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
    assert [one["CidrIp"] for one in rule["IpRanges"]] == ["127.0.0.1/32"]
    assert client.describe_key_pairs()["KeyPairs"] == []
    for call in world.calls:
        if call.action in {"RunInstances", "CreateSecurityGroup"}:
            assert all("bakery:machine" in tags for tags in call.tags.values())
            assert call.tags

    machine = launched["machine"]
    done = subprocess.run(
        [*machine["exec"], "printf", "%s|", "a b", "$HOME"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "a b|$HOME|"), done.stderr
    assert subprocess.run([*machine["exec"], "sh", "-c", "exit 7"], check=False).returncode == 7
    run = open_way(ec2.home / "ec2" / "machines" / "web-1" / "reach.json")
    assert run([b"systemctl", b"is-active", b"bakery-expiry.timer"]) == (0, b"active\n", b"")

    again = ec2.run("web-1")
    assert (again.returned["changed"], again.machine) == (False, machine)

    ec2.play(ec2.local([entry_point("discard")], **variables))
    assert nothing_left(ec2), world.left()
    assert ec2.discard("web-1").returned["changed"] is False


def test_check_mode_tells_the_plan_and_makes_nothing(ec2: Ec2) -> None:
    launch = ec2.launch(instance_types=["t3.small", "t3a.small"], market=["spot", "on-demand"])
    task = {
        "bakery.images.ec2_machine": {
            "home": str(ec2.home),
            "id": "m",
            "region": ec2.world.region,
            "image": ec2.world.base_image,
            "launch": launch,
        },
        "check_mode": True,
        "register": "done",
    }
    shown = {"ansible.builtin.assert": {"that": ["done.changed", "done.attempts | length == 8"]}}
    ec2.play(ec2.local([task, shown]))
    assert nothing_left(ec2)
    assert {call.action for call in ec2.world.calls} == {
        "DescribeInstances",
        "DescribeImages",
        "DescribeSubnets",
    }


def test_a_zone_without_capacity_is_left_for_the_next(ec2: Ec2) -> None:
    world, full = ec2.world, ec2.world.subnets[0]
    refused = world.faults.fail(
        "RunInstances",
        CAPACITY,
        status=500,
        times=None,
        when=lambda call: call.parameters.get("SubnetId") == full,
    )
    result = ec2.run("m")
    assert result.outcomes == [CAPACITY, "started"]
    assert refused.hits == 2  # the HTTP 500 is retried once and not for a minute
    assert len(world.instances()) == 1


def test_no_capacity_anywhere_is_a_sentence_and_leaves_nothing(ec2: Ec2) -> None:
    ec2.world.faults.fail("RunInstances", "VcpuLimitExceeded", times=None)
    message = ec2.run("m", launch=ec2.launch(market=["spot", "on-demand"])).message
    assert message.count("L-1216C47A") == 2  # a quota is for all zones: one attempt for each market
    assert nothing_left(ec2)


def test_an_instance_whose_answer_was_lost_is_found_by_its_token(ec2: Ec2) -> None:
    lost = ec2.world.faults.drop("RunInstances", times=3)
    assert ec2.run("m").outcomes == ["started"]
    assert lost.hits == 3
    assert len(ec2.world.left()["instances"]) == 1


def test_throttling_is_sat_out(ec2: Ec2) -> None:
    storm = ec2.world.faults.throttle("*", times=6)
    running = ec2.world.faults.throttle("RunInstances", times=3)
    assert ec2.run("m").outcomes == ["started"]
    assert (storm.hits, running.hits) == (6, 3)
    assert ec2.discard("m").returned["changed"] is True
    assert nothing_left(ec2)


def test_a_new_instance_may_be_unknown_for_a_while(ec2: Ec2) -> None:
    late = ec2.world.faults.fail(
        "DescribeInstances",
        "InvalidInstanceID.NotFound",
        times=2,
        when=lambda call: call.parameters.get("Filter.1.Name") == "instance-id",
    )
    assert ec2.run("m").outcomes == ["started"]
    assert late.hits == 2


def test_an_instance_that_dies_while_it_boots_is_told_with_its_reason(ec2: Ec2) -> None:
    world = ec2.world

    def kill(_call: Call) -> None:
        for machine in world.instances():
            if "systemd" in machine.console and world.state(machine.instance_id) == "running":
                world.end_instance(machine.instance_id)

    world.faults.before("DescribeInstances", kill)
    message = ec2.run("m").message
    assert "Server.InternalError: Internal error on launch" in message
    assert "the last words on its console" in message
    assert nothing_left(ec2), world.left()


def test_a_spot_instance_that_is_taken_back_at_once_is_had_on_demand(ec2: Ec2) -> None:
    world = ec2.world
    taken = []

    def take_back(_call: Call) -> None:
        for machine in world.instances():
            if not taken:
                taken.append(machine.instance_id)
                world.end_instance(
                    machine.instance_id, code="Server.SpotInstanceTermination", message="Spot was taken back"
                )

    world.delays.instance_s = 3
    world.faults.before("DescribeInstances", take_back)
    launch = ec2.launch(market=["spot", "on-demand"], subnets=world.subnets[:1])
    result = ec2.run("m", launch=launch)
    assert result.outcomes == ["Server.SpotInstanceTermination", "started"]
    assert result.returned["instance"]["market"] == "on-demand"
    assert ec2.discard("m").returned["changed"] is True
    assert nothing_left(ec2)


def test_whoever_has_another_host_key_is_refused(ec2: Ec2, tmp_path: Path) -> None:
    impostor = ec2.run("impostor").machine["address"]
    # As good a way to another machine as any: the one that was launched is never reached.
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    proxy = f"{sys.executable} {relay} {impostor} 22"
    message = ec2.run("m", launch=ec2.launch(ssh={"proxy_command": proxy})).message
    assert "the host key of i-" in message
    assert "whoever answers is not instance i-" in message
    assert ec2.directories == ["impostor"]
    assert len(ec2.world.left()["instances"]) == 1


def test_a_proxy_command_needs_no_way_in(ec2: Ec2, client: Any, tmp_path: Path) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    # The command is given the instance's id; like Session Manager it gets out on the inside of the machine.
    proxy = f"nsenter --net --target $(cat {tmp_path}/%h) {sys.executable} {relay} 127.0.0.1 %p"

    def tell_processes(_call: Call) -> None:
        for machine in ec2.world.instances():
            (tmp_path / machine.instance_id).write_text(str(machine.pid))

    ec2.world.faults.before("DescribeInstances", tell_processes)
    machine = ec2.run("m", launch=ec2.launch(ssh={"proxy_command": proxy})).machine
    assert subprocess.run([*machine["exec"], "true"], check=False).returncode == 0
    ours = [{"Name": "tag:bakery:machine", "Values": ["m"]}]
    (group,) = client.describe_security_groups(Filters=ours)["SecurityGroups"]
    assert group["IpPermissions"] == []


def test_a_machine_that_nobody_remembers_is_found_by_its_tag(ec2: Ec2) -> None:
    """SIGKILL between the call that starts an instance and its answer, and the disk is lost, too."""
    process: list[subprocess.Popen[str]] = []
    ec2.world.faults.after("RunInstances", lambda _call: kill_tree(process[0].pid), times=1)
    process.append(ec2.start("m"))
    with process[0] as started:
        started.communicate()
    assert started.returncode == -signal.SIGKILL
    assert ec2.directories == ["m"]
    assert len(ec2.world.left()["instances"]) == 1
    shutil.rmtree(ec2.home / "ec2")
    assert ec2.discard("m").returned["changed"] is True
    assert nothing_left(ec2), ec2.world.left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_launch_leaves_nothing(ec2: Ec2, number: signal.Signals) -> None:
    ec2.world.delays.instance_s = 60
    process = ec2.start("m")
    until(lambda: ec2.world.left()["instances"], what="an instance")
    process.send_signal(number)
    process.communicate()
    until(lambda: nothing_left(ec2), what="everything gone")


def test_a_group_waits_for_its_instance_to_be_gone(ec2: Ec2) -> None:
    world, states = ec2.world, list[str]()
    instance = ec2.run("m").returned["instance"]["id"]
    world.delays.terminate_s = 4
    world.faults.before("DeleteSecurityGroup", lambda _: states.append(world.state(instance)))
    discarded = ec2.discard("m")
    assert discarded.returned["changed"] is True
    assert f"bakery: instance {instance} is shutting down" in discarded.output
    assert nothing_left(ec2), world.left()
    assert states[-1] == "terminated"
    assert world.actions().count("TerminateInstances") == 1


def test_what_costs_is_let_go_of_before_the_rest(ec2: Ec2) -> None:
    ec2.run("m")
    world = ec2.world
    world.delays.terminate_s = 2
    assert ec2.run("m", state="absent", wait=False).returned["changed"] is True
    assert world.actions()[-1] == "TerminateInstances"
    assert world.left()["security-groups"]
    assert ec2.directories == ["m"]
    assert ec2.run("m", state="absent", wait=False).returned["changed"] is False
    assert ec2.discard("m").returned["changed"] is True
    assert nothing_left(ec2), world.left()


SEAL = "cloud-init clean --logs --machine-id --seed; rm /etc/ssh/ssh_host_* /root/.ssh/authorized_keys"
SEAL += " /home/admin/.ssh/authorized_keys"


def captured(ec2: Ec2, client: Any, script: str) -> str:
    """An image of a machine in which a script ran last."""
    result = ec2.run("baked")
    subprocess.run([*result.machine["exec"], "sh", "-ec", script], check=True)
    instance = result.returned["instance"]["id"]
    client.stop_instances(InstanceIds=[instance])
    ec2.world.wait_state(instance, "stopped")
    image: str = client.create_image(InstanceId=instance, Name="captured")["ImageId"]
    until(lambda: ec2.world.image(image).state == "available", what="the image")
    return image


def boot(ec2: Ec2, image: str) -> Result:
    return ec2.run("proof", image=image, proof=True)


def test_a_sealed_image_boots_as_a_new_machine(ec2: Ec2, client: Any) -> None:
    image = captured(ec2, client, SEAL)
    machine = boot(ec2, image).machine
    assert subprocess.run([*machine["exec"], "true"], check=False).returncode == 0


def test_what_an_image_brought_along_is_told(ec2: Ec2, client: Any) -> None:
    # Cloud-init runs anew for a new instance in any case: it is what it does not touch that stays.
    old = "touch --date='1 hour ago' /etc/machine-id"
    message = boot(ec2, captured(ec2, client, old)).message
    assert "did not come up as a new machine" in message
    assert "/etc/machine-id is older than the machine" in message
    assert "lets in a key of another machine of bakery (bakery:baked)" in message
    assert ec2.directories == ["baked"]
