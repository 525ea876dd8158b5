"""Whose images are, and their states, as far as no instance is needed for that."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.ec2_capture import (
    Capture,
    ImageMaker,
    find_instance,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_image_state import ImageState, Verified
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import remove_image, snapshots_of
from ansible_collections.bakery.images.plugins.module_utils.ec2_names import image_names
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

from tests.unit.collection.ec2_account import Account, image, refusal


def names(wanted: str = "") -> tuple[str, ...]:
    return image_names(wanted, role_set="web", fingerprint="abcdef0123456789", machine_id="web-1")


def maker(*images: dict[str, Any], wanted: str = "") -> ImageMaker:
    def of_name(**arguments: Any) -> dict[str, Any]:
        (name,) = arguments["Filters"][0]["Values"]
        return {"Images": [one for one in images if one["Name"] == name]}

    account: Any = Account(describe_images=of_name)
    capture = Capture(machine_id="web-1", names=names(wanted), tags={})
    return ImageMaker(account, capture, lambda _image_id: None)


def named(name: str, *, machine_id: str = "", status: str = "") -> dict[str, Any]:
    tags = {ec2_tags.MACHINE: machine_id, ec2_tags.STATUS: status}
    return image("ami-1", Name=name, Tags=ec2_tags.to_list({key: tags[key] for key in tags if tags[key]}))


def test_our_own_image_is_found_by_either_name() -> None:
    for name in names():
        found = maker(named(name, machine_id="web-1", status="unverified")).find()
        assert found
        assert found["ImageId"] == "ami-1"


def test_a_default_name_that_is_taken_leaves_the_other_one() -> None:
    assert maker(named(names()[0], machine_id="web-0", status="verified")).find() is None
    both = [named(name, machine_id="web-0", status="verified") for name in names()]
    with pytest.raises(MachineFailure, match="choose another image name"):
        maker(*both).find()


def test_whose_a_taken_name_is_decides_what_to_do() -> None:
    with pytest.raises(MachineFailure, match="is taken in eu-central-1 by ami-1; choose another image name"):
        maker(named("golden"), wanted="golden").find()
    with pytest.raises(MachineFailure, match="another bake made and did not verify; wait for it, or run"):
        maker(named("golden", machine_id="web-0", status="unverified"), wanted="golden").find()


def test_a_machine_without_an_instance_or_with_several_is_told() -> None:
    instances: list[dict[str, Any]] = []
    account: Any = Account(describe_instances=lambda **_: {"Reservations": [{"Instances": instances}]})
    with pytest.raises(MachineFailure, match="machine 'web-1' has no instance in eu-central-1; launch it"):
        find_instance(account, "web-1")
    instances += [{"InstanceId": "i-2"}, {"InstanceId": "i-1"}]
    with pytest.raises(MachineFailure, match="several instances in eu-central-1: i-1, i-2"):
        find_instance(account, "web-1")


def test_removing_an_image_leaves_a_snapshot_that_another_image_has() -> None:
    other = image("ami-2")
    account: Any = Account(
        deregister_image=refusal("InvalidAMIID.Unavailable"),
        delete_snapshot=refusal("InvalidSnapshot.InUse"),
        describe_images=lambda **_: {"Images": [other]},
    )
    assert remove_image(account, "ami-1", snapshots_of(image("ami-1"))) == ["snap-1"]
    account.answers["delete_snapshot"] = refusal("InvalidSnapshot.NotFound")
    assert remove_image(account, "ami-1", ["snap-1"]) == []


def state(**fields: Any) -> ImageState:
    account: Any = Account(
        describe_images=lambda **_: {"Images": [image("ami-1", **fields)]},
        describe_snapshots=lambda **_: {"Snapshots": [{"SnapshotId": "snap-1", "Tags": fields.get("Tags")}]},
    )
    return ImageState(account, "ami-1")


def test_a_verified_image_needs_no_change() -> None:
    tags = [{"Key": ec2_tags.STATUS, "Value": ec2_tags.VERIFIED}, {"Key": "Name", "Value": "web:latest"}]
    verified = Verified(name="web:latest", deprecate_after_days=90, protect=True)
    done = {
        "DeprecationTime": "2026-04-01T00:00:00.000Z",
        "DeregistrationProtection": "enabled-with-cooldown",
    }
    assert state(Tags=tags, **done).changes(verified) == []
    needed = [change.what for change in state(Tags=[]).changes(verified)]
    assert needed == ["tags", "deprecation", "protection"]
    expiring = [*tags, {"Key": ec2_tags.EXPIRES, "Value": "2026-01-01T00:00:00Z"}]
    assert [change.what for change in state(Tags=expiring, **done).changes(verified)] == ["expiry"]


def test_an_image_that_is_not_available_is_not_verified() -> None:
    with pytest.raises(MachineFailure, match="image ami-1 is pending, which is not verified"):
        state(State="pending")
