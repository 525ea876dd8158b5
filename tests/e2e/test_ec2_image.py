"""AMIs made of machines, in an account of the tests' own where instances really boot."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines
from ansible_collections.bakery.images.plugins.modules import (
    ec2_image,
    ec2_image_info,
)
from ansible_collections.bakery.images.plugins.plugin_utils.in_worker import run_main

from tests.e2e.ec2_machines import (
    FINGERPRINT,
    Ec2Target,
    newest,
    nothing_left,
    present,
    written,
)
from tests.ec2world.logins import Login
from tests.ec2world.waiting import until
from tests.ec2world.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

IRELAND, VIRGINIA = "eu-west-1", "us-east-1"
OTHER = "210987654321"


# ── from a machine to an image ──


def test_what_is_captured_boots_sealed_and_counts_once_it_is_verified(
    target: Ec2Target, world: World
) -> None:
    login, address = target.launch("web-1")
    login.run(
        address,
        "echo baked >/opt/word; echo secret >/root/.bash_history; touch /tmp/x; echo old >/var/log/y.log",
    )
    login.run(address, "echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI ops' >>/root/.ssh/authorized_keys")
    identity = login.run(address, "cat /etc/machine-id")
    host_keys = login.run(address, "cat /etc/ssh/ssh_host_*.pub")

    artifact = target.run("capture", **target.capture("web-1"))["artifact"]
    names = [name for name, _version in artifact.pop("packages")]
    removed = {entry["path"] for entry in artifact.pop("sealed")["entries"]}
    assert {"root/.bash_history", "etc/machine-id"} <= {path.strip("/") for path in removed}
    contents = json.loads(Path(artifact.pop("contents")).read_text())
    assert names == sorted(contents["packages"])
    assert "openssh-server" in names
    files = contents["files"].keys()
    assert {"/opt/word", "/root/.ssh/authorized_keys"} <= files
    assert not {"/root/.bash_history", "/usr/sbin/sshd", "/tmp/x", "/etc/machine-id"} & files
    assert artifact == {
        "kind": "ami",
        "id": artifact["id"],
        "digest": artifact["id"],
        "location": f"ec2:{world.region}:{artifact['id']}",
        "region": world.region,
        "account": world.account,
        "base_image": world.base_image,
        "snapshots": artifact["snapshots"],
        "name": f"bakery-web-{FINGERPRINT[:12]}",
        "paths": [],
        "sizes": [],
    }
    (image,) = target.ec2.describe_images(ImageIds=[artifact["id"]])["Images"]
    (snapshot,) = target.ec2.describe_snapshots(SnapshotIds=artifact["snapshots"])["Snapshots"]
    for thing in (image, snapshot):
        tags = ec2_tags.to_mapping(thing["Tags"])
        assert tags.pop(ec2_tags.EXPIRES)
        assert tags == {
            "Name": f"bakery-web-{FINGERPRINT[:12]}",
            ec2_tags.MACHINE: "web-1",
            ec2_tags.BAKE: "b1",
            ec2_tags.OWNER: f"{target.owner.boot}:{target.owner.pid}:{target.owner.start}",
            ec2_tags.ROLE_SET: "web",
            ec2_tags.FINGERPRINT: FINGERPRINT,
            ec2_tags.PROJECT: "shop",
            ec2_tags.SOURCE_IMAGE: world.base_image,
            ec2_tags.STATUS: ec2_tags.UNVERIFIED,
        }
    journal = Machines(str(target.home / "ec2")).get("web-1")
    assert journal.details["image"] == artifact["id"]
    until(lambda: world.left()["instances"] == [], what="the instance is released")
    assert world.actions().index("StopInstances") < world.actions().index("CreateImage")

    # A log that somebody made is emptied and stays, as in a layer.
    assert written(world, artifact) == {"/opt/word", "/root/.ssh/authorized_keys", "/var/log/y.log"}
    assert target.run("find", bakery_fingerprint=FINGERPRINT)["found"] == {}
    boot_and_look(target, artifact["id"], identity=identity, host_keys=host_keys)

    options = {"image": {"deprecate_after_days": 90, "protect": True}}
    pointed = target.run(
        "point", bakery_artifact=artifact, bakery_names=["web:latest"], bakery_options=options
    )
    assert (pointed["names"], pointed["location"]) == (["web:latest"], artifact["location"])
    found = target.run("find", bakery_fingerprint=FINGERPRINT, bakery_role_set="web")["found"]
    assert found["artifact"] == {**artifact, "regions": [], "checks_passed": 0}
    assert found["checks"] == {"passed": 0, "failed": 0}
    assert target.run("find", bakery_fingerprint=FINGERPRINT, bakery_role_set="db")["found"] == {}
    (image,) = target.ec2.describe_images(ImageIds=[artifact["id"]])["Images"]
    tags = ec2_tags.to_mapping(image["Tags"])
    assert (tags["Name"], tags[ec2_tags.STATUS]) == ("web:latest", ec2_tags.VERIFIED)
    assert ec2_tags.EXPIRES not in tags
    assert image["DeregistrationProtection"].startswith("enabled")
    assert image["DeprecationTime"] > image["CreationDate"]
    calls = len(world.calls)
    target.run("point", bakery_artifact=artifact, bakery_names=["web:latest"], bakery_options=options)
    assert all(action.startswith("Describe") for action in world.actions()[calls:])


def boot_and_look(target: Ec2Target, image: str, *, identity: str, host_keys: str) -> None:
    """A machine from the image is a new one, and has nothing of the old one but what was baked."""
    stranger, address = target.launch("check-1", image)
    assert stranger.run(address, "cat /opt/word") == "baked"
    assert stranger.run(address, "cat /etc/machine-id") != identity
    assert not set(stranger.run(address, "cat /etc/ssh/ssh_host_*.pub").split()) & {
        word for word in host_keys.split() if word.startswith("AAAA")
    } - {"ssh-ed25519"}
    keys = stranger.run(address, "cat /root/.ssh/authorized_keys")
    assert keys.count("bakery:") == 1
    assert "bakery:check-1" in keys
    assert keys.count(" ops") == 1
    assert stranger.run(address, "ls -A /root/.bash_history /tmp/x 2>/dev/null || true") == ""
    assert stranger.run(address, "cat /var/log/y.log") == ""
    boots = stranger.run(address, "journalctl --quiet --no-pager --list-boots | grep -v IDX")
    assert len(boots.splitlines()) == 1
    old = Login(target.home / "logins" / "web-1")
    assert "Permission denied" in refused(old, stranger, address)
    target.ec2.terminate_instances(InstanceIds=[target.world.instances()[0].instance_id])


def refused(old: Login, new: Login, address: str) -> str:
    """What ssh says to a key of before, at a machine with a new host key."""
    (old.directory / "host.pub").write_text((new.directory / "host.pub").read_text())
    done = old.try_run(address, "true")
    assert done.returncode
    return done.stderr


def test_an_image_that_is_there_is_not_made_again(target: Ec2Target, world: World) -> None:
    target.running("web-1")
    first = present(target, "web-1")
    calls = len(world.calls)
    again = present(target, "web-1")
    assert (first["changed"], again["changed"]) == (True, False)
    assert again["artifact"] == first["artifact"]
    assert all(action.startswith("Describe") for action in world.actions()[calls:])


def test_looking_first_tells_and_changes_nothing(target: Ec2Target, world: World) -> None:
    target.running("web-1")
    told = present(target, "web-1", _ansible_check_mode=True)
    assert told["changed"] is True
    assert {"StopInstances", "CreateImage"}.isdisjoint(world.actions())


# ── names ──


def test_a_name_of_somebody_elses_is_told_before_anything_is_stopped(target: Ec2Target, world: World) -> None:
    target.ec2.register_image(Name="golden")
    instance = target.running("web-1")
    failed = present(target, "web-1", name="golden")
    assert failed["failed"]
    assert "the name 'golden' is taken in eu-central-1 by ami-" in failed["msg"]
    assert "choose another image name" in failed["msg"]
    assert world.state(instance) == "running"
    assert "StopInstances" not in world.actions()


def test_a_name_that_is_taken_where_copies_will_be_is_told_as_well(target: Ec2Target, world: World) -> None:
    target.client(IRELAND).register_image(Name="golden")
    target.running("web-1")
    failed = present(target, "web-1", name="golden", regions=[IRELAND])
    assert "the name 'golden' is taken in eu-west-1" in failed["msg"]
    assert "StopInstances" not in world.actions()


def test_a_name_that_no_image_can_have_is_told_before_anything_is_asked(
    target: Ec2Target, world: World
) -> None:
    assert "'web:latest' cannot be the name of an image" in present(target, "web-1", name="web:latest")["msg"]
    assert world.actions() == []


def test_an_answer_that_was_lost_is_found_by_the_name(target: Ec2Target, world: World) -> None:
    """The first request was carried out: the second is refused for its name, which is our own image's."""
    target.running("web-1")
    world.faults.drop("CreateImage")
    made = present(target, "web-1")
    assert made["artifact"]["name"] == f"bakery-web-{FINGERPRINT[:12]}"
    assert world.left()["images"] == [made["artifact"]["id"]]


def test_an_attempt_of_another_bake_is_not_taken_for_ours(target: Ec2Target) -> None:
    target.running("web-1")
    present(target, "web-1", name="golden")
    target.running("web-2")
    failed = present(target, "web-2", name="golden")
    assert "which another bake made and did not verify" in failed["msg"]
    assert "bakery sweep" in failed["msg"]


def test_baking_the_same_again_finds_a_name_of_its_own(target: Ec2Target) -> None:
    target.running("web-1")
    first = present(target, "web-1")
    target.running("web-2")
    second = present(target, "web-2")
    assert second["artifact"]["name"].startswith(first["artifact"]["name"] + "-")


# ── what goes wrong ──


def test_a_failed_image_says_why_and_leaves_nothing(target: Ec2Target, world: World) -> None:
    target.running("web-1")
    world.delays.image_s = 60
    world.faults.after("CreateImage", lambda _call: world.fail_image(newest(world), "the volume is broken"))
    failed = present(target, "web-1")
    assert "failed" in failed["msg"]
    assert "the volume is broken" in failed["msg"]
    nothing_left(world)


def test_an_image_that_takes_too_long_says_how_far_it_is_and_leaves_nothing(
    target: Ec2Target, world: World
) -> None:
    instance = target.running("web-1")
    target.ec2.stop_instances(InstanceIds=[instance])
    world.wait_state(instance, "stopped")
    world.delays.image_s = 600
    failed = present(target, "web-1", timeout_min=0.05)
    assert "is still pending (snap-" in failed["msg"]
    assert "%) after 0.05 minutes" in failed["msg"]
    nothing_left(world)


def test_an_instance_that_is_gone_cannot_be_captured(target: Ec2Target, world: World) -> None:
    instance = target.running("web-1")
    world.faults.before("StopInstances", lambda _call: world.end_instance(instance))
    failed = present(target, "web-1")
    assert "cannot be captured" in failed["msg"] or "has no instance" in failed["msg"]
    nothing_left(world)


def test_a_state_that_is_not_settled_yet_is_waited_for(target: Ec2Target, world: World) -> None:
    target.running("web-1")
    world.faults.fail("StopInstances", "IncorrectInstanceState", times=2)
    world.faults.fail("CreateImage", "IncorrectState", times=2)
    world.faults.fail("DescribeImages", "InvalidAMIID.NotFound", times=2, when=by_id)
    assert present(target, "web-1")["changed"]


def by_id(call: Any) -> bool:
    return "ImageId.1" in call.parameters


def test_an_image_that_would_not_start_as_its_base_is_refused(target: Ec2Target, world: World) -> None:
    target.running("web-1")
    base = run_main(ec2_image_info.main, {"base": {"id": world.base_image}})["base"]["config"]
    failed = present(target, "web-1", base={**base, "imds": "", "boot_mode": "uefi"})
    assert "boot_mode is uefi-preferred instead of uefi; imds is v2.0 instead of unset" in failed["msg"]
    nothing_left(world)


def test_the_instance_goes_when_the_snapshots_are_complete_and_not_before(
    target: Ec2Target, world: World
) -> None:
    instance = target.running("web-1")
    world.delays.image_s = 3
    states = []
    world.faults.before("DescribeSnapshots", lambda _call: states.append(world.state(instance)))
    world.faults.before(
        "TerminateInstances", lambda _call: states.append(world.image(newest(world)).outcome.percent)
    )
    present(target, "web-1")
    assert set(states[:-1]) == {"stopped"}
    assert states[-1] == 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_while_the_image_is_pending_leaves_nothing(
    target: Ec2Target, world: World, number: signal.Signals
) -> None:
    target.launch("web-1")
    wanted = target.capture("web-1")
    world.delays.image_s = 600
    process = target.begin("capture", **wanted)
    until(lambda: world.left()["images"], what="the image is being made", timeout_s=120)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode, output
    until(lambda: not world.left()["images"], what="the image is removed")
    until(lambda: not world.left()["snapshots"], what="the snapshots are removed")


# ── removing ──


def test_an_image_is_removed_with_its_snapshots_and_that_again_is_no_change(
    target: Ec2Target, world: World
) -> None:
    target.running("web-1")
    artifact = present(target, "web-1")["artifact"]
    told = run_main(ec2_image.main, {"state": "absent", "image": artifact["id"], "_ansible_check_mode": True})
    assert (told["changed"], told["snapshots"]) == (True, artifact["snapshots"])
    assert world.left()["images"]
    gone = run_main(ec2_image.main, {"state": "absent", "image": artifact["id"]})
    assert (gone["changed"], gone["snapshots"]) == (True, artifact["snapshots"])
    nothing_left(world)
    assert not run_main(ec2_image.main, {"state": "absent", "image": artifact["id"]})["changed"]


def test_a_machine_goes_the_whole_way(target: Ec2Target, world: World) -> None:
    """Launched, captured, the image booted as a new machine, marked, found, and all machines discarded."""
    launch = {"address": "private", "subnets": world.subnets, "timeout_s": 120}
    options = {"launch": launch, "image": {"volume": {"size": 9}}}
    common = {"bakery_options": options, "bakery_role_set": "web"}
    base = target.run("base", bakery_base=target.base(), **common)["base"]
    first = {"bakery_machine_id": "web-1", "bakery_base_config": base["config"], **common}
    machine = target.run("launch", **first)["machine"]
    subprocess.run([*machine["exec"], "sh", "-c", "echo baked >/opt/word"], check=True)
    image = {"name": "web", "fingerprint": FINGERPRINT, "base_config": base["config"]}
    wanted = {"bakery_machine_id": "web-1", "bakery_image": image, **common}
    artifact = target.run("capture", **wanted)["artifact"]
    target.run("discard", bakery_machine_id="web-1", **common)
    proof = {"bakery_machine_id": "check-1", "bakery_artifact": artifact, **common}
    machine = target.run("boot", **proof)["machine"]
    said = subprocess.run([*machine["exec"], "cat", "/opt/word"], check=True, capture_output=True, text=True)
    assert said.stdout == "baked\n"
    target.run("point", bakery_artifact=artifact, bakery_names=["web:latest"], **common)
    target.run("discard", bakery_machine_id="check-1", **common)
    found = target.run("find", bakery_fingerprint=FINGERPRINT, **common)["found"]
    assert found["artifact"]["id"] == artifact["id"]
    left = world.left()
    assert (left["images"], left["snapshots"]) == ([artifact["id"]], artifact["snapshots"])
    assert (left["security-groups"], left["volumes"]) == ([], [])
    assert not any(target.run("sweep", **common)["swept"].values())
