"""Worlds come and go, and leave nothing, whatever happens to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ec2world.world import World

PROGRAM = """
import boto3, signal, sys
from pathlib import Path
from tests.ec2world.waiting import until
from tests.ec2world.world import World

with World(Path(sys.argv[1])) as world:
    if sys.argv[2] == "stay":
        ec2 = boto3.client("ec2", **world.client_options)
        ec2.run_instances(ImageId=world.base_image, MinCount=2, MaxCount=2, InstanceType="t3.small")
        until(lambda: len(world.instances()) == 2, what="two machines")
        print(world.directory, flush=True)
        signal.pause()
"""


def begin(repository: Path, home: Path, wish: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": f"{repository}:{repository / 'collections'}"}
    words = [sys.executable, "-c", PROGRAM, str(home), wish]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_world_that_was_ended(
    ec2_world: World, repository: Path, podman: str, number: signal.Signals
) -> None:
    def containers() -> str:
        listed = subprocess.run([podman, "ps", "--all"], stdout=subprocess.PIPE, text=True, check=True)
        mounts = Path("/proc/self/mountinfo").read_text()
        return listed.stdout + mounts

    home = ec2_world.directory.parent.parent
    with begin(repository, home, "stay") as ended:
        assert ended.stdout is not None
        directory = Path(ended.stdout.readline().strip())
        assert str(directory) in containers()
        machines = [machine.name for machine in (directory / "machines").iterdir()]
        assert len(machines) == 2
        ended.send_signal(number)
    with begin(repository, home, "go") as other:
        assert other.wait() == 0
    left = containers()
    assert str(directory) not in left
    assert not any(machine in left for machine in machines)
    assert not directory.exists()
