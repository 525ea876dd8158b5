"""AMIs that others get: copies in other regions, and who may use them."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.modules import (
    ec2_image_copy,
    ec2_image_info,
    ec2_image_share,
)
from ansible_collections.bakery.images.plugins.plugin_utils.in_worker import run_main

from tests.e2e.ec2_machines import (
    FINGERPRINT,
    Ec2Target,
    nothing_left,
    present,
    verified,
)
from tests.ec2world.waiting import until
from tests.ec2world.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

IRELAND, VIRGINIA = "eu-west-1", "us-east-1"
OTHER = "210987654321"


def copy(target: Ec2Target, image: str, regions: dict[str, Any], **options: Any) -> dict[str, Any]:
    given = {"image": image, "regions": regions, "owner": target.owner.to_wire(), **options}
    return run_main(ec2_image_copy.main, given)


def test_an_image_is_copied_to_regions_at_once_and_copies_are_found(target: Ec2Target, world: World) -> None:
    artifact = verified(target)
    world.delays.copy_s = 600
    world.faults.after("CopyImage", lambda _call: finish(world), skip=1)  # only when both are under way
    copied = copy(target, artifact["id"], {IRELAND: {}, VIRGINIA: {"encrypted": True}, world.region: {}})
    assert [one["region"] for one in copied["copies"]] == [IRELAND, VIRGINIA]
    for region in (IRELAND, VIRGINIA):
        (image,) = target.client(region).describe_images(Owners=["self"])["Images"]
        (snapshot,) = target.client(region).describe_snapshots(OwnerIds=["self"])["Snapshots"]
        assert snapshot["Encrypted"] is (region == VIRGINIA)
        for thing in (image, snapshot):
            tags = ec2_tags.to_mapping(thing["Tags"])
            assert tags["bakery:copy-of"] == artifact["id"]
            assert tags[ec2_tags.FINGERPRINT] == FINGERPRINT
            assert tags[ec2_tags.STATUS] == ec2_tags.VERIFIED
            assert ec2_tags.EXPIRES not in tags
    calls = len(world.calls)
    again = copy(target, artifact["id"], {IRELAND: {}, VIRGINIA: {}})
    assert (again["changed"], again["copies"]) == (False, copied["copies"])
    assert "CopyImage" not in world.actions()[calls:]
    looked = {"fingerprint": FINGERPRINT, "regions": [IRELAND, VIRGINIA]}
    assert run_main(ec2_image_info.main, looked)["found"]["regions"] == copied["copies"]


def finish(world: World) -> None:
    """Let all copies be complete."""
    for region in (IRELAND, VIRGINIA):
        for image in world.left(region)["images"]:
            world.finish_image(image)


def test_a_region_that_fails_leaves_nothing_and_says_where_the_image_is(
    target: Ec2Target, world: World
) -> None:
    artifact = verified(target)
    failed = copy(target, artifact["id"], {IRELAND: {}, VIRGINIA: {"kms_key": "alias/nobody"}})
    assert failed["failed"]
    assert f"image {artifact['id']} was not copied to us-east-1, where nothing is left" in failed["msg"]
    assert "The KMS key 'alias/nobody' does not exist" in failed["msg"]
    assert f"it is in eu-central-1 ({artifact['id']}), eu-west-1 (ami-" in failed["msg"]
    nothing_left(world, VIRGINIA)
    (there,) = target.client(IRELAND).describe_images(Owners=["self"])["Images"]
    again = copy(target, artifact["id"], {IRELAND: {}, VIRGINIA: {}})
    assert again["copies"][0]["id"] == there["ImageId"]


def test_a_copy_whose_answer_was_lost_is_not_made_twice(target: Ec2Target, world: World) -> None:
    artifact = verified(target)
    world.faults.drop("CopyImage")
    copied = copy(target, artifact["id"], {IRELAND: {}})
    assert world.left(IRELAND)["images"] == [copied["copies"][0]["id"]]


def test_an_interrupted_copy_leaves_nothing(target: Ec2Target, world: World) -> None:
    artifact = verified(target)
    world.delays.copy_s = 600
    options = {"distribute": {"regions": {IRELAND: {}, VIRGINIA: {}}}}
    process = target.begin(
        "point", bakery_artifact=artifact, bakery_names=["web:latest"], bakery_options=options
    )
    until(
        lambda: world.left(IRELAND)["images"] and world.left(VIRGINIA)["images"], what="copies", timeout_s=60
    )
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    for region in (IRELAND, VIRGINIA):
        until(lambda region=region: not any(world.left(region).values()), what=f"nothing in {region}")


def test_an_image_is_handed_out_with_its_copies(target: Ec2Target, world: World) -> None:
    artifact = verified(target)
    share = {"accounts": [OTHER]}
    options = {"distribute": {"regions": {IRELAND: {}}, "share": share}}
    wanted = {"bakery_artifact": artifact, "bakery_names": ["web:latest"], "bakery_options": options}
    world.delays.copy_s = 600
    hurried = {**wanted, "bakery_options": {**options, "timeout_min": 0.02}}
    assert "is still pending after 0.02 minutes" in target.failure("point", **hurried)
    world.delays.copy_s = 0
    (copied,) = target.run("point", **wanted)["artifact"]["regions"]
    for region, image in ((world.region, artifact), (IRELAND, copied)):
        ec2 = target.client(region)
        allowed = ec2.describe_image_attribute(ImageId=image["id"], Attribute="launchPermission")
        assert allowed["LaunchPermissions"] == [{"UserId": OTHER}]
        (snapshot,) = image["snapshots"]
        allowed = ec2.describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
        assert allowed["CreateVolumePermissions"] == [{"UserId": OTHER}]
    again = run_main(ec2_image_share.main, {"image": artifact["id"], "accounts": [OTHER]})
    assert again["changed"] is False
    none = run_main(ec2_image_share.main, {"image": artifact["id"]})
    assert none["diff"]["before"]["launch"] == [OTHER]
    assert none["diff"]["after"]["launch"] == []


def test_sharing_under_the_key_of_aws_is_refused_before_anything_is_shared(
    target: Ec2Target, world: World
) -> None:
    target.running("web-1", BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True}}])
    artifact = present(target, "web-1")["artifact"]
    failed = run_main(ec2_image_share.main, {"image": artifact["id"], "accounts": [OTHER]})
    assert "is encrypted with alias/aws/ebs, which no other account can use" in failed["msg"]
    assert "ModifyImageAttribute" not in world.actions()
