"""`bakery plan` on EC2: what it tells is what the bake then does."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.ec2_account import Account
from tests.e2e.ec2_machines import written
from tests.e2e.small_project import write

pytestmark = pytest.mark.slow

IRELAND = "eu-west-1"
OTHER = "210987654321"


def plan(account: Account, code: int = 0) -> dict[str, Any]:
    """The only role set of a plan."""
    (planned,) = account.run("plan", "web", "--json", code=code).document["sets"]
    found: dict[str, Any] = planned
    return found


def calls_of(planned: dict[str, Any]) -> dict[str, int]:
    return {one["action"]: one["times"] for one in planned["estimate"]["calls"]}


def test_what_is_planned_on_demand_is_what_is_made(account: Account) -> None:
    planned = plan(account)
    assert account.made() == []
    assert calls_of(planned) == {
        **dict.fromkeys(("CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "RunInstances"), 2),
        **dict.fromkeys(("TerminateInstances", "DeleteSecurityGroup"), 2),
        **dict.fromkeys(("StopInstances", "CreateImage", "CreateTags", "DeleteTags"), 1),
    }


def test_what_is_planned_is_what_a_bake_with_everything_makes(account: Account, tmp_path: Path) -> None:
    """The instance is a spot one, which nobody can stop: CreateImage reboots it instead."""
    world = account.world
    launch = {"address": "private", "market": ["spot"], "subnets": world.subnets}
    account.write_project(
        launch=launch,
        image={"deprecate_after_days": 90, "name": "golden"},
        distribute={"regions": {IRELAND: {}}, "share": {"accounts": [OTHER]}},
    )
    planned = plan(account)
    assert planned["status"] == "bake"
    assert account.made() == []
    billed = {one["what"]: one for one in planned["estimate"]["billed"]}
    assert billed["t3.small spot"] == {
        "what": "t3.small spot",
        "quantity": None,
        "unit": "instance-hours",
    }
    assert billed["snapshots of the image, at most"]["quantity"] == 8
    assert billed[f"transfer to {IRELAND}, at most"]["quantity"] == 8

    result = account.bake("web").result
    assert (result["status"], result["checks"]["passed"]) == ("baked", 2)
    made, image = Counter(account.made()), result["artifact"]["id"]
    assert calls_of(planned) == made
    assert planned["estimate"]["names"] == [account.describe(image)["Name"]] == ["golden"]
    assert "StopInstances" not in made
    (created,) = (call for call in world.calls if call.action == "CreateImage" and not call.dry)
    assert created.parameters["NoReboot"] == "false"
    assert written(world, {"snapshots": account.left()["snapshots"]}) == set()

    (copy,) = account.left(IRELAND)["images"]
    assert [one["id"] for one in result["artifact"]["copies"]] == [copy]
    shown = account.run("show", "web", "--json").document["image"]["artifact"]
    assert (shown["account"], shown["base_image"]) == (world.account, world.base_image)
    assert (shown["snapshots"], shown["copies"]) == (
        account.left()["snapshots"],
        result["artifact"]["copies"],
    )
    assert f"copies  ec2:{IRELAND}:{copy}\n  account {world.account}" in account.run("show", "web").stdout

    world.calls.clear()
    assert plan(account)["status"] == "unchanged"
    colleague = plan(replace(account, home=tmp_path / "elsewhere"))
    assert colleague["status"] == "unchanged"
    assert colleague["why"] == f"ec2 has it: {image}"

    account.write_role("second", write("/etc/second", "three"))
    refused = plan(account, code=5)["error"]["message"]
    assert f"the name 'golden' is taken in {world.region} by {image}; choose another image name" in refused
    account.write_project(launch=launch)
    text = account.run("plan", "web").stdout
    for word in (f"{world.base_image} (x86_64) in {world.region}", *world.subnets, "t3.small spot in"):
        assert word in text
    assert "instance-hours, by how long" not in text
    again = plan(account)
    assert again["status"] == "bake"
    assert again["estimate"]["billed"][0]["quantity"] > 0
    assert account.made() == []

    nobody = replace(account, without=frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}))
    planned = plan(nobody, code=5)
    assert planned["estimate"] is None
    assert "set AWS_PROFILE or AWS_ACCESS_KEY_ID" in planned["error"]["message"]
