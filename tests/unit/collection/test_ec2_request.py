from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.ec2_launch_plan import (
    ON_DEMAND,
    SPOT,
    Attempt,
    Subnet,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_request import (
    PRIVATE,
    Login,
    Request,
    SourceImage,
    Volume,
    Wanted,
    check_volume,
    client_token,
    read_image,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner

SUBNET = Subnet("subnet-a", "zone-a", "vpc")
ON_DEMAND_HERE, SPOT_HERE = Attempt("t3", SUBNET, ON_DEMAND), Attempt("t3", SUBNET, SPOT)
IMAGE = SourceImage("ami-1", "x86_64", "/dev/xvda", 8, (("/dev/sdf", 20),))
WANTED = Wanted("m", "ami-1")


def arguments(attempt: Attempt = ON_DEMAND_HERE, **wanted: Any) -> dict[str, Any]:
    request = Request(replace(WANTED, **wanted), IMAGE, {"bakery:machine": "m"}, ["sg-1"], "#cloud-config\n")
    return request.arguments(attempt, "token")


def test_every_volume_goes_with_the_instance_and_the_root_is_the_images_own() -> None:
    root, other = arguments(volume=Volume(size=10, type="gp3", kms_key="alias/x"))["BlockDeviceMappings"]
    assert root == {
        "DeviceName": "/dev/xvda",
        "Ebs": {
            "DeleteOnTermination": True,
            "VolumeSize": 10,
            "VolumeType": "gp3",
            "Encrypted": True,
            "KmsKeyId": "alias/x",
        },
    }
    assert other == {"DeviceName": "/dev/sdf", "Ebs": {"DeleteOnTermination": True, "VolumeSize": 20}}


def test_what_is_not_said_of_the_volume_is_left_to_the_image() -> None:
    root = arguments()["BlockDeviceMappings"][0]["Ebs"]
    assert root == {"DeleteOnTermination": True, "VolumeSize": 8}


def test_metadata_needs_a_token_and_a_shutdown_ends_the_instance() -> None:
    made = arguments()
    assert made["MetadataOptions"]["HttpTokens"] == "required"
    assert made["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert "KeyName" not in made


def test_everything_is_tagged_by_the_call_that_makes_it() -> None:
    kinds = {one["ResourceType"] for one in arguments()["TagSpecifications"]}
    assert kinds == {"instance", "volume", "network-interface"}
    kinds = {one["ResourceType"] for one in arguments(SPOT_HERE)["TagSpecifications"]}
    assert kinds == {"instance", "volume", "network-interface", "spot-instances-request"}


def test_a_spot_instance_is_for_one_time() -> None:
    options = arguments(SPOT_HERE)["InstanceMarketOptions"]["SpotOptions"]
    assert options == {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}


def test_only_a_machine_to_reach_from_the_world_is_given_a_public_address() -> None:
    (interface,) = arguments()["NetworkInterfaces"]
    assert interface["AssociatePublicIpAddress"] is True
    assert (interface["SubnetId"], interface["Groups"]) == ("subnet-a", ["sg-1"])
    private = arguments(login=Login(address=PRIVATE))
    assert "NetworkInterfaces" not in private
    assert (private["SubnetId"], private["SecurityGroupIds"]) == ("subnet-a", ["sg-1"])


@pytest.mark.parametrize(
    ("given", "kind"), [("baker", "Name"), ("arn:aws:iam::1:instance-profile/baker", "Arn")]
)
def test_an_instance_profile_is_given_by_name_or_arn(given: str, kind: str) -> None:
    assert arguments(instance_profile=given)["IamInstanceProfile"] == {kind: given}


def test_a_token_is_the_same_for_the_same_request_only() -> None:
    token = client_token("m", "nonce", 0)
    assert token == client_token("m", "nonce", 0)
    assert (
        len(
            {
                token,
                client_token("m", "nonce", 1),
                client_token("m", "other", 0),
                client_token("n", "nonce", 0),
            }
        )
        == 4
    )
    assert len(token) <= 64


def test_an_image_must_fit_its_volume() -> None:
    check_volume(Volume(), IMAGE)
    check_volume(Volume(size=8), IMAGE)
    with pytest.raises(MachineFailure, match="7 GiB is too small: that of image ami-1 has 8 GiB"):
        check_volume(Volume(size=7), IMAGE)


def test_an_image_is_read_from_its_description() -> None:
    described = {
        "ImageId": "ami-1",
        "Architecture": "arm64",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}},
            {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
        ],
    }
    image = read_image(described)
    assert image == SourceImage("ami-1", "arm64", "/dev/xvda", 8)
    assert image.usual_type == "t4g.small"


def test_an_image_without_a_root_volume_is_refused() -> None:
    with pytest.raises(MachineFailure, match="ami-1 has no root volume"):
        read_image({"ImageId": "ami-1", "RootDeviceName": "/dev/sda1", "BlockDeviceMappings": []})


def test_an_owner_is_read_back_from_its_tags() -> None:
    owner = Owner(bake="b", pid=12, start=34, boot="1f0c")
    tags = ec2_tags.owned("m", owner, expires=0, role_set="web")
    assert ec2_tags.owner_of(tags) == owner
    assert tags["bakery:expires"] == "1970-01-01T00:00:00Z"
    assert tags["bakery:role-set"] == "web"
    assert ec2_tags.to_mapping(ec2_tags.to_list(tags)) == tags


@pytest.mark.parametrize("text", ["", "boot", "boot:1", "boot:x:2", ":1:2"])
def test_an_owner_that_cannot_be_read_is_none(text: str) -> None:
    assert ec2_tags.owner_of({"bakery:owner": text}) is None
