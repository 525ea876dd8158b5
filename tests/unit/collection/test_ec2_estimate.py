"""What a bake would call and be billed for; that it then calls just that is in the end-to-end tests."""

from __future__ import annotations

from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.ec2_estimate import (
    Distribution,
    Estimate,
    shown,
    told,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_launch_plan import (
    ON_DEMAND,
    SPOT,
    Attempt,
    Subnet,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_preparation import Prepared
from ansible_collections.bakery.images.plugins.module_utils.ec2_request import (
    PRIVATE,
    Login,
    Network,
    SourceImage,
    Volume,
    Wanted,
)

IMAGE = SourceImage("ami-1", "x86_64", "/dev/xvda", 8)


def estimate(*, market: str = ON_DEMAND, cidr: str | None = "192.0.2.1/32", **more: Any) -> Estimate:
    wanted = Wanted("planned", "ami-1", login=Login(address=PRIVATE), volume=more.pop("volume", Volume()))
    attempt = Attempt("t3.small", Subnet("subnet-a", "zone-a", "vpc"), market)
    prepared = Prepared(more.pop("wanted", wanted), more.pop("image", IMAGE), (attempt,), cidr)
    return Estimate(prepared, "eu-central-1", ("bakery-web-1",), **more)


def calls(of: Estimate) -> dict[str, int]:
    return {one["action"]: one["times"] for one in of.calls()}


def quantities(of: Estimate) -> dict[str, float | None]:
    return {one["what"]: one["quantity"] for one in of.billed()}


def test_a_spot_instance_is_not_stopped_and_its_request_is_cancelled() -> None:
    assert "CancelSpotInstanceRequests" not in calls(estimate())
    spot = calls(estimate(market=SPOT))
    assert "StopInstances" not in spot
    assert spot["CancelSpotInstanceRequests"] == 2


def test_a_group_of_ones_own_is_not_made() -> None:
    wanted = Wanted("planned", "ami-1", network=Network(security_groups=("sg-1",)))
    of = calls(estimate(wanted=wanted, cidr=None))
    assert not {"CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "DeleteSecurityGroup"} & set(of)


def test_each_disk_of_each_image_is_shared() -> None:
    image = SourceImage("ami-1", "x86_64", "/dev/xvda", 8, (("/dev/sdf", 20),))
    there = Distribution(("eu-west-1",), {"accounts": ("123456789012",)})
    of = calls(estimate(image=image, distribution=there))
    assert (of["ModifyImageAttribute"], of["ModifySnapshotAttribute"], of["CopyImage"]) == (2, 4, 1)


def test_what_depends_on_a_first_bake_is_not_guessed() -> None:
    first = quantities(estimate())
    assert first["t3.small on-demand"] is None
    assert first["snapshots of the image, at most"] == 8
    later = quantities(estimate(lasts_s=3600.0, volume=Volume(size=73, type="gp3")))
    assert later["t3.small on-demand"] == 1.0
    assert later["gp3 volumes of the machines"] == 0.1
    assert quantities(estimate(lasts_s=1.0))["t3.small on-demand"] == round(2 / 60, 6)


def test_people_are_told_the_same() -> None:
    of = estimate(distribution=Distribution(("eu-west-1",)))
    rows = [row for section in shown(of) for row in section["rows"]]
    assert ["base", "ami-1 (x86_64) in eu-central-1"] in rows
    assert ["try", "t3.small on-demand in subnet-a (zone-a)"] in rows
    assert ["regions", "eu-central-1, eu-west-1"] in rows
    assert ["2 ×", "RunInstances"] in rows
    assert told(of)["regions"] == ["eu-central-1", "eu-west-1"]
