"""A bake on EC2 that something happens to: what it does about it, what it says, and what is left."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.e2e.ec2_account import NOTHING, Account, tags_of
from tests.e2e.small_project import write
from tests.ec2world.calls import Call
from tests.ec2world.waiting import until

pytestmark = pytest.mark.slow

IRELAND, LONDON, VIRGINIA = "eu-west-1", "eu-west-2", "us-east-1"
OTHER = "210987654321"

# A role that waits on this host, until the test is done with the machine.
_WAITING_HERE = """\
---
- name: Say that it waits
  ansible.builtin.copy: {{content: "", dest: "{directory}/waiting", mode: "0600"}}
  delegate_to: localhost
- name: Wait
  ansible.builtin.wait_for: {{path: "{directory}/go", timeout: 300}}
  delegate_to: localhost
"""
# One that waits in the machine, in the middle of a task.
_WAITING_THERE = """\
---
- name: Wait in the machine
  ansible.builtin.shell: touch /opt/waiting; until test -e /opt/go; do sleep 0.2; done
  changed_when: true
"""
_MARKING = """\
---
- name: Leave a mark on this host
  ansible.builtin.copy: {{content: "", dest: "{directory}/applied", mode: "0600"}}
  delegate_to: localhost
"""


def after(tasks: str, role: str, text: str) -> str:
    """Tasks, and then that of the usual role."""
    return tasks + write(f"/etc/{role}", text).removeprefix("---\n")


def error_of(account: Account, *words: str) -> dict[str, Any]:
    """What a bake says that fails because of the machinery."""
    error: dict[str, Any] = account.bake("web", *words, code=5).result["error"]
    return error


def planned_error(account: Account) -> str:
    (planned,) = account.run("plan", "web", "--json", code=5).document["sets"]
    assert planned["estimate"] is None
    return str(planned["error"]["message"])


# ── machines that are lost ──


_RECLAIMED = "Server.SpotInstanceTermination"


def bake_and_end(
    account: Account, directory: Path, *, code: str = _RECLAIMED
) -> tuple[int, dict[str, Any], str, str]:
    """Bake, and end the instance while a role waits: exit code, result, what was said, its id."""
    world = account.world
    account.write_role("second", after(_WAITING_HERE.format(directory=directory), "second", "two"))
    with account.start("bake", "web", "--json") as process:
        try:
            waiting = directory / "waiting"
            until(lambda: waiting.exists() or process.poll() is not None, what="a role", timeout_s=600)
            (machine,) = world.instances()
            world.end_instance(machine.instance_id, code=code, message=f"{code}: EC2 says why")
            world.wait_state(machine.instance_id, "terminated")
        finally:
            (directory / "go").touch()
        stdout, stderr = process.communicate()
    (result,) = json.loads(stdout)["results"]
    return process.returncode, result, stderr, machine.instance_id


def test_a_spot_instance_that_is_taken_back_is_baked_on_demand(account: Account, tmp_path: Path) -> None:
    account.write_project(launch={"address": "private", "market": ["spot", "on-demand"]})
    code, result, said, taken = bake_and_end(account, tmp_path)
    assert (code, result["status"]) == (0, "baked"), said
    assert f"EC2 took the spot instance {taken} back: beginning once more" in said
    spot = ["InstanceMarketOptions.MarketType" in call.parameters for call in account.launches()]
    assert spot == [True, False, False]
    left = account.left()
    assert left == {**NOTHING, "images": [result["artifact"]["id"]], "snapshots": left["snapshots"]}
    assert account.leftovers()["journal"] == []


def test_a_spot_instance_that_is_taken_back_and_may_not_be_on_demand_is_told(
    account: Account, tmp_path: Path
) -> None:
    account.write_project(launch={"address": "private", "market": ["spot"]})
    code, result, _said, taken = bake_and_end(account, tmp_path)
    assert code == 5
    assert result["error"]["message"].startswith(
        f"EC2 took the spot instance {taken} back; what failed with it: "
    )
    assert "market: [spot, on-demand]" in result["error"]["hint"]
    assert len(account.launches()) == 1
    assert account.left() == NOTHING


def test_an_instance_that_dies_under_a_role_is_told_with_its_reason(account: Account, tmp_path: Path) -> None:
    code, result, _said, gone = bake_and_end(account, tmp_path, code="Server.InternalError")
    assert code == 5
    message = result["error"]["message"]
    assert message.startswith(
        f"instance {gone} is terminated by itself: Server.InternalError: EC2 says why; what failed with it: "
    )
    assert "role 'second'" in message
    assert account.left() == NOTHING
    assert account.leftovers()["directories"] == []


def test_a_network_that_is_cut_for_twenty_seconds_is_outlived(account: Account) -> None:
    account.write_role("second", after(_WAITING_THERE, "second", "two"))
    world = account.world
    with account.start("bake", "web", "--json") as process:

        def waiting() -> bool:
            running = world.instances()
            return process.poll() is not None or bool(running and (running[0].tree / "opt/waiting").exists())

        until(waiting, what="the task", timeout_s=600)
        (machine,) = world.instances()
        with world.cut_off(machine.instance_id), pytest.raises(TimeoutError):
            socket.create_connection((machine.address, 22), timeout=20)
        (machine.tree / "opt" / "go").touch()
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    (result,) = json.loads(stdout)["results"]
    assert (result["status"], len(account.launches())) == ("baked", 2)


# ── images that do not get everywhere ──


def test_a_region_that_fails_is_named_and_the_next_bake_does_the_rest(account: Account) -> None:
    regions = (IRELAND, LONDON, VIRGINIA)
    account.write_project(
        distribute={"regions": {region: {} for region in regions}, "share": {"accounts": [OTHER]}}
    )
    world = account.world
    world.delays.copy_s = 600  # each copy is finished, or fails, the moment it was begun

    def finish(call: Call) -> None:
        (copy,) = (one for one in call.ids if one.startswith("ami-"))
        if call.region == LONDON:
            world.fail_image(copy, "the region is on fire")
        else:
            world.finish_image(copy)

    failing = world.faults.after("CopyImage", finish)
    error = error_of(account)
    assert f"was not copied to {LONDON}, where nothing is left of that" in error["message"]
    assert "the region is on fire" in error["message"]
    (image,) = account.left()["images"]
    assert tags_of(account.describe(image))["bakery:status"] == "verified"
    assert account.left()["instances"] == []
    assert account.left(LONDON) == NOTHING
    copies = {region: account.left(region)["images"] for region in (IRELAND, VIRGINIA)}
    assert [len(images) for images in copies.values()] == [1, 1]
    assert all(images[0] in error["message"] for images in copies.values())

    world.faults.remove(failing)
    world.delays.copy_s = 0
    world.calls.clear()
    (planned,) = account.run("plan", "web", "--json").document["sets"]
    assert f"but it is not in {LONDON}; {image} in {world.region} is not shared" in planned["why"]
    outcome = account.bake("web")
    assert f"{image} is verified, but it is not in {LONDON}" in outcome.stderr
    assert (outcome.result["status"], outcome.result["artifact"]["id"]) == ("unchanged", image)
    made = account.made()
    assert [made.count(action) for action in ("RunInstances", "CreateImage", "CopyImage")] == [0, 0, 1]
    for region in (world.region, *regions):
        (there,) = account.left(region)["images"]
        allowed = account.client(region).describe_image_attribute(ImageId=there, Attribute="launchPermission")
        assert allowed["LaunchPermissions"] == [{"UserId": OTHER}]
        assert there in (image, *copies.get(region, [there]))
    world.calls.clear()
    assert account.bake("web").result["status"] == "unchanged"
    assert account.made() == []


def test_a_key_that_nothing_can_be_shared_under_is_told_before_anything_is_launched(
    account: Account, tmp_path: Path
) -> None:
    share = {"accounts": [OTHER]}
    account.run("base", "refresh", "debian-12")
    account.write_project(image={"volume": {"encrypted": True}}, distribute={"share": share})
    for kitchen in (account, replace(account, home=tmp_path / "elsewhere")):  # the base is known, or is not
        said = error_of(kitchen)["message"]
        assert "could not be shared, which AWS manages for this account alone in eu-central-1" in said
        assert "write a key of your own as image.volume.kms_key" in said
    assert "image.volume.kms_key" in planned_error(account)
    kms = boto3.client("kms", **account.world.client_options)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    account.write_project(
        image={"volume": {"kms_key": key}}, distribute={"regions": {IRELAND: {}}, "share": share}
    )
    said = error_of(account)["message"]
    assert f"alone in {IRELAND}; write a key of your own as distribute.regions.{IRELAND}.kms_key" in said
    assert account.made() == ["CreateKey"]


def test_a_name_that_is_taken_is_told_before_anything_is_launched(account: Account) -> None:
    world = account.world
    for region, name in ((world.region, "golden"), (IRELAND, "silver")):
        there = account.client(region)
        made = there.copy_image(Name=name, SourceImageId=world.base_image, SourceRegion=world.region)
        world.calls.clear()
        account.write_project(image={"name": name}, distribute={"regions": {IRELAND: {}}})
        told = f"the name '{name}' is taken in {region} by {made['ImageId']}; choose another image name"
        assert told in error_of(account)["message"]
        assert told in planned_error(account)
        assert account.made() == []


# ── what the account does not allow, or does not have ──


@pytest.mark.parametrize("action", ["RunInstances", "StopInstances", "CreateImage"])
def test_a_missing_permission_is_told_before_any_role_is_applied(
    account: Account, tmp_path: Path, action: str
) -> None:
    account.write_role("first", _MARKING.format(directory=tmp_path))
    account.world.faults.forbid(action)
    message = error_of(account)["message"]
    assert f"the credentials may not {action} (UnauthorizedOperation" in message
    assert message.endswith("allow them that action")
    assert not (tmp_path / "applied").exists()
    assert account.left() == NOTHING
    assert account.leftovers()["journal"] == []


def test_a_region_that_does_not_exist_is_told_with_the_one_that_is_meant(account: Account) -> None:
    account.write_project(region="eu-centrall-1")
    told = "boto3 knows no region 'eu-centrall-1', did you mean eu-central-1?"
    assert told in error_of(account)["message"]
    assert told in planned_error(account)
    assert account.made() == []


def test_a_region_without_the_base_is_told(account: Account) -> None:
    account.write_project(region=VIRGINIA)
    told = f"in {VIRGINIA}; see the owner, the pattern and the region"
    assert told in error_of(account)["message"]
    assert told in planned_error(account)
    assert account.made() == []


def test_no_region_at_all_is_told(account: Account) -> None:
    account.write_project(region=None)
    nowhere = replace(account, without=frozenset({"AWS_DEFAULT_REGION"}))
    told = "no AWS region is configured; write 'region' or set AWS_DEFAULT_REGION"
    assert told in error_of(nowhere)["message"]
    assert told in planned_error(nowhere)
    assert account.world.actions() == []


def copy_of_base(account: Account, name: str) -> str:
    """The base, as an image of the account's own."""
    world = account.world
    made = account.client().copy_image(Name=name, SourceImageId=world.base_image, SourceRegion=world.region)
    return str(made["ImageId"])


def test_a_base_that_is_gone_is_to_be_looked_up_again(account: Account) -> None:
    account.write_project(base={"owner": "self", "name": "debian-own-*"})
    first = copy_of_base(account, "debian-own-1")
    (base,) = account.run("base", "refresh", "debian-12", "--json").document["bases"]
    assert (base["target"], base["resolved"]) == ("ec2", first)
    account.client().deregister_image(ImageId=first)
    account.world.calls.clear()
    error = error_of(account)
    assert f"eu-central-1 has no image {first} any more" in error["message"]
    assert "bakery base refresh debian-12" in error["hint"]
    assert f"there is no image {first} in eu-central-1" in planned_error(account)
    assert account.made() == []

    second = copy_of_base(account, "debian-own-2")
    refreshed = account.run("base", "refresh", "debian-12", "--target", "ec2").stdout
    assert second in refreshed
    assert "Role sets on debian-12 will be baked again." in refreshed
    (planned,) = account.run("plan", "web", "--json").document["sets"]
    assert planned["estimate"]["base"]["image"] == second
