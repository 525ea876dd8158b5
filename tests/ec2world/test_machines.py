"""Instances are machines: they boot, are reached over ssh, stop, and their disks become images."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.ec2world.logins import Login
from tests.ec2world.waiting import until
from tests.ec2world.world import World


@pytest.fixture
def login(tmp_path: Path) -> Login:
    return Login.make(tmp_path / "login")


def launch(ec2: Any, image: str, login: Login, **more: Any) -> dict[str, Any]:
    started = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.small", UserData=login.user_data, **more
    )
    (instance,) = started["Instances"]
    return dict(instance)


@pytest.mark.slow
def test_a_captured_machine_boots_as_a_new_one(world: World, ec2: Any, login: Login, tmp_path: Path) -> None:
    first = launch(ec2, world.base_image, login)
    address = first["PrivateIpAddress"]
    login.wait(address)
    assert login.run(address, "id --user; cloud-init status; hostname").split("\n") == [
        "0",
        "status: done",
        f"ip-{address.replace('.', '-')}",
    ]
    assert login.run(address, "systemctl is-system-running") == "running"
    assert login.run(address, "sudo id --user", user="admin") == "0"
    identity = login.run(address, "cat /etc/machine-id /var/lib/cloud/data/instance-id")
    assert first["InstanceId"] in identity
    login.run(address, "echo kept >/opt/word; rm /etc/hostname.none /etc/debian_version 2>/dev/null; sync")
    login.run(address, "cloud-init clean --logs --machine-id --seed; rm /etc/ssh/ssh_host_*")

    ec2.stop_instances(InstanceIds=[first["InstanceId"]])
    world.wait_state(first["InstanceId"], "stopped")
    image = ec2.create_image(InstanceId=first["InstanceId"], Name="captured")["ImageId"]
    ec2.terminate_instances(InstanceIds=[first["InstanceId"]])
    world.wait_state(first["InstanceId"], "terminated")

    other = Login.make(tmp_path / "other")
    second = launch(ec2, image, other)
    address = second["PrivateIpAddress"]
    other.wait(address)
    assert other.run(address, "cat /opt/word; ls /etc/debian_version 2>&1 || true").startswith(
        "kept\nls: cannot"
    )
    renewed = other.run(address, "cat /etc/machine-id /var/lib/cloud/data/instance-id")
    assert second["InstanceId"] in renewed
    assert identity.split()[0] != renewed.split()[0]


@pytest.mark.slow
def test_a_machine_with_another_host_key_is_refused(
    world: World, ec2: Any, login: Login, tmp_path: Path
) -> None:
    address = launch(ec2, world.base_image, login)["PrivateIpAddress"]
    login.wait(address)
    stranger = Login.make(tmp_path / "stranger")
    assert "Host key verification failed" in stranger.try_run(address, "true").stderr


@pytest.mark.slow
@pytest.mark.parametrize(("behaviour", "state"), [("stop", "stopped"), ("terminate", "terminated")])
def test_a_machine_that_shuts_itself_down_does_what_was_wanted_then(
    world: World, ec2: Any, login: Login, behaviour: str, state: str
) -> None:
    instance = launch(ec2, world.base_image, login, InstanceInitiatedShutdownBehavior=behaviour)
    login.wait(instance["PrivateIpAddress"])
    login.try_run(instance["PrivateIpAddress"], "shutdown -P now")
    world.wait_state(instance["InstanceId"], state)
    assert world.instances() == []
    (found,) = ec2.describe_instances(InstanceIds=[instance["InstanceId"]])["Reservations"][0]["Instances"]
    assert found["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    console = ec2.get_console_output(InstanceId=instance["InstanceId"])["Output"]
    assert "cloud-init" in console


@pytest.mark.slow
def test_a_stopped_machine_starts_with_what_was_on_its_disk(world: World, ec2: Any, login: Login) -> None:
    instance = launch(ec2, world.base_image, login)
    ids, address = [instance["InstanceId"]], instance["PrivateIpAddress"]
    login.wait(address)
    login.run(address, "echo kept >/opt/word")
    ec2.stop_instances(InstanceIds=ids)
    world.wait_state(ids[0], "stopped")
    assert login.try_run(address, "true").returncode == 255
    ec2.start_instances(InstanceIds=ids)
    login.wait(address)
    assert login.run(address, "cat /opt/word") == "kept"


def test_terminating_leaves_nothing(world: World, ec2: Any, login: Login) -> None:
    instance = launch(ec2, world.base_image, login)
    world.wait_state(instance["InstanceId"], "running")
    assert [machine.instance_id for machine in world.instances()] == [instance["InstanceId"]]
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    world.wait_state(instance["InstanceId"], "terminated")
    assert world.instances() == []
    assert not any(world.left().values())
    assert str(world.directory) not in Path("/proc/self/mountinfo").read_text()


def is_let_in(address: str) -> bool:
    """Whether a connection can be made, which is the kernels' work alone: what is dropped, nobody answers."""
    try:
        socket.create_connection((address, 22), timeout=3).close()
    except TimeoutError:
        return False
    return True


@pytest.mark.slow
def test_security_groups_let_in_whom_they_name(world: World, ec2: Any, login: Login) -> None:
    group = ec2.create_security_group(GroupName="one", Description="d")["GroupId"]
    address = launch(ec2, world.base_image, login, SecurityGroupIds=[group])["PrivateIpAddress"]
    (machine,) = until(world.instances, what="a machine")
    until(lambda: "Reached target" in machine.console, what="a machine that has booted")
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    elsewhere, here = ({**ssh, "IpRanges": [{"CidrIp": cidr}]} for cidr in ("203.0.113.7/32", "127.0.0.1/32"))
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[elsewhere])
    assert not is_let_in(address)
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[here])
    login.wait(address)
    with world.cut_off(machine.instance_id):
        assert not is_let_in(address)
    login.run(address, "true")
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[here])
    assert not is_let_in(address)


def test_a_base_is_found_by_owner_and_by_parameter(world: World, ec2: Any) -> None:
    ssm = boto3.client("ssm", **world.client_options)
    assert ssm.get_parameter(Name=world.base_ssm)["Parameter"]["Value"] == world.base_image
    named = [{"Name": "name", "Values": ["debian-12-amd64-*"]}]
    (image,) = ec2.describe_images(Owners=[world.base_owner], Filters=named)["Images"]
    assert (image["ImageId"], image["RootDeviceName"]) == (world.base_image, "/dev/xvda")
