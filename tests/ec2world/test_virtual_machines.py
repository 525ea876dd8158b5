"""The guard against what is only true of containers: a machine with a kernel and a disk of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ec2world.logins import Login
from tests.ec2world.world import World

# Emulation on processors that are busy with other things takes minutes for a boot.
_SLOW_S = 900


@pytest.mark.slow
def test_a_captured_virtual_machine_boots_as_a_new_one(world: World, ec2: Any, tmp_path: Path) -> None:
    machines = []
    image = world.vm_image
    for name in ("first", "second"):
        login = Login.make(tmp_path / name)
        started = ec2.run_instances(
            ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.small", UserData=login.user_data
        )
        instance = started["Instances"][0]
        instance_id, address = instance["InstanceId"], instance["PrivateIpAddress"]
        login.wait_for_ssh(address, timeout_s=_SLOW_S)
        assert (
            "qemu"
            in login.run(address, "grep -i -m1 'model name' /proc/cpuinfo; dmesg | grep -i -m1 qemu").lower()
        )
        machines.append(login.run(address, "cat /etc/machine-id /var/lib/cloud/data/instance-id"))
        assert instance_id in machines[-1]
        if name == "first":
            login.wait(address, timeout_s=_SLOW_S)
            login.run(address, "echo kept >/opt/word; cloud-init clean --logs --machine-id --seed; sync")
            ec2.stop_instances(InstanceIds=[instance_id])
            world.wait_state(instance_id, "stopped", timeout_s=_SLOW_S)
            image = ec2.create_image(InstanceId=instance_id, Name="captured")["ImageId"]
            ec2.terminate_instances(InstanceIds=[instance_id])
            world.wait_state(instance_id, "terminated")
        else:
            assert login.run(address, "cat /opt/word") == "kept"
    assert machines[0].split()[0] != machines[1].split()[0]
