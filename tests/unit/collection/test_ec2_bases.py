"""Which AMI a bake starts from."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.ec2_bases import (
    BaseSource,
    describe_base,
    resolve,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

from tests.unit.collection.ec2_account import Account, image, refusal

BY_NAME = BaseSource(owner="136693071363", name="debian-12-*")


def having(*images: dict[str, Any]) -> Account:
    return Account(describe_images=lambda **_: {"Images": list(images)})


def test_the_newest_available_image_of_a_name_is_taken() -> None:
    account = having(
        image("ami-1", CreationDate="2026-01-02T00:00:00.000Z"),
        image("ami-2", CreationDate="2026-02-01T00:00:00.000Z"),
        image("ami-3", CreationDate="2026-03-01T00:00:00.000Z", State="pending"),
    )
    assert resolve(account, BY_NAME).image["ImageId"] == "ami-2"
    assert account.calls[0][1]["Owners"] == ["136693071363"]


def test_nothing_of_that_name_is_a_sentence() -> None:
    with pytest.raises(MachineFailure, match=r"no available image of 136693071363 named 'debian-12-\*'"):
        resolve(having(), BY_NAME)


def test_an_architecture_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(MachineFailure, match=r"named 'debian-12-\*' for arm64, only for x86_64"):
        resolve(having(image()), BaseSource(owner="self", name="debian-12-*", architecture="arm64"))
    with pytest.raises(MachineFailure, match="image ami-1 is for arm64, but x86_64 is wanted"):
        resolve(having(image("ami-1", Architecture="arm64")), BaseSource(image="ami-1", architecture="amd64"))
    with pytest.raises(MachineFailure, match="'sparc' is no architecture"):
        resolve(having(image()), BaseSource(owner="self", name="x", architecture="sparc"))


def test_images_for_several_architectures_ask_for_one() -> None:
    account = having(image("ami-1"), image("ami-2", Architecture="arm64"))
    with pytest.raises(MachineFailure, match="for each of arm64, x86_64; write which"):
        resolve(account, BY_NAME)
    source = BaseSource(owner="self", name="debian-12-*", architecture="arm64")
    assert resolve(account, source).image["ImageId"] == "ami-2"


def test_a_deprecated_image_is_refused_by_name_and_warned_about_by_id() -> None:
    old = image("ami-1", DeprecationTime="2020-01-01T00:00:00.000Z")
    with pytest.raises(
        MachineFailure, match="is deprecated; choose a newer name, or write 'deprecated: true'"
    ):
        resolve(having(old), BY_NAME)
    asked = BaseSource(owner="self", name="debian-12-*", deprecated=True)
    assert resolve(having(old), asked).image["ImageId"] == "ami-1"
    warned = resolve(having(old), BaseSource(image="ami-1"))
    assert warned.warnings == ("the base ami-1 is deprecated since 2020-01-01T00:00:00.000Z",)
    later = image("ami-1", DeprecationTime="2220-01-01T00:00:00.000Z")
    assert resolve(having(later), BY_NAME).warnings == ()


def test_a_parameter_that_is_missing_or_holds_no_image_is_a_sentence() -> None:
    missing = Account(get_parameter=refusal("ParameterNotFound"))
    with pytest.raises(MachineFailure, match="there is no SSM parameter /base in eu-central-1"):
        resolve(missing, BaseSource(ssm="/base"))
    odd = Account(get_parameter=lambda **_: {"Parameter": {"Value": "debian"}})
    with pytest.raises(MachineFailure, match="/base in eu-central-1 holds no image id, but 'debian'"):
        resolve(odd, BaseSource(ssm="/base"))
    good = having(image("ami-0123456789abcdef0"))
    good.answers["get_parameter"] = lambda **_: {"Parameter": {"Value": "ami-0123456789abcdef0"}}
    assert resolve(good, BaseSource(ssm="/base")).image["ImageId"] == "ami-0123456789abcdef0"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"State": "pending"}, "it is pending"),
        ({"Platform": "windows"}, "it is Windows"),
        ({"RootDeviceType": "instance-store"}, "no EBS volume"),
        ({"Architecture": "i386"}, "its architecture is i386"),
    ],
)
def test_what_cannot_be_baked_on_is_refused(fields: dict[str, str], why: str) -> None:
    with pytest.raises(MachineFailure, match=why):
        resolve(having(image(**fields)), BaseSource(image="ami-0123456789abcdef0"))


def test_an_image_that_is_not_there_is_a_sentence() -> None:
    account = Account(describe_images=refusal("InvalidAMIID.NotFound"))
    with pytest.raises(
        MachineFailure, match=r"no image ami-1 in eu-central-1 .* differ from region to region"
    ):
        resolve(account, BaseSource(image="ami-1"))
    gone = having(image("ami-1", State="deregistered"))
    with pytest.raises(MachineFailure, match="no image ami-1"):
        resolve(gone, BaseSource(image="ami-1"))


def test_a_base_says_how_its_instances_start() -> None:
    assert describe_base(image(), name="debian-12", region="eu-central-1") == {
        "name": "debian-12",
        "digest": "ami-0123456789abcdef0",
        "resolved": "ami-0123456789abcdef0",
        "epoch": 1767225600,
        "architecture": "amd64",
        "systemd": True,
        "layers": [],
        "config": {
            "image": "ami-0123456789abcdef0",
            "root_device": "/dev/xvda",
            "size": 8,
            "region": "eu-central-1",
            "architecture": "x86_64",
            "boot_mode": "uefi-preferred",
            "ena": True,
            "imds": "",
            "tpm": "",
        },
    }
