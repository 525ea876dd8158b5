"""Who may use an image."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.ec2_sharing import (
    Audience,
    SharedImage,
    refuse_unshareable,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

from tests.unit.collection.ec2_account import Account, image, refusal

OTHER, ANOTHER = "210987654321", "111122223333"
ORGANIZATION = "arn:aws:organizations::123456789012:organization/o-abcdefghij"
UNIT = "arn:aws:organizations::123456789012:ou/o-abcdefghij/ou-ab12-34567890"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"


class SharingAccount(Account):
    """One image with two snapshots, and who may use them."""

    def __init__(self, *, key: str = "", managed: str = "", state: str = "available") -> None:
        disks = [{"DeviceName": f"/dev/xvd{x}", "Ebs": {"SnapshotId": f"snap-{x}"}} for x in "ab"]
        self.launch: list[dict[str, str]] = [{"Group": "all"}]
        self.copying: dict[str, list[dict[str, str]]] = {"snap-a": [], "snap-b": []}
        encrypted = {"Encrypted": True, "KmsKeyId": key} if key else {"Encrypted": False}
        super().__init__(
            describe_images=lambda **_: {"Images": [image(BlockDeviceMappings=disks, State=state)]},
            describe_snapshots=lambda **given: {
                "Snapshots": [{"SnapshotId": one, **encrypted} for one in given["SnapshotIds"]]
            },
            describe_image_attribute=lambda **_: {"LaunchPermissions": self.launch},
            describe_snapshot_attribute=lambda **given: {
                "CreateVolumePermissions": self.copying[given["SnapshotId"]]
            },
            modify_image_attribute=lambda **given: self.change(self.launch, given["LaunchPermission"]),
            modify_snapshot_attribute=lambda **given: self.change(
                self.copying[given["SnapshotId"]], given["CreateVolumePermission"]
            ),
            describe_key=(lambda **_: {"KeyMetadata": {"KeyId": managed}})
            if managed
            else refusal("NotFoundException"),
        )

    @staticmethod
    def change(members: list[dict[str, str]], wanted: dict[str, Any]) -> dict[str, Any]:
        members += wanted.get("Add", [])
        for member in wanted.get("Remove", []):
            members.remove(member)
        return {}

    def share(self, audience: Audience) -> bool:
        shared = SharedImage(self, "ami-1")
        wanted = shared.wanted(audience)
        shared.refuse_impossible(wanted)
        observed = shared.observed()
        shared.apply(observed, wanted)
        return observed != wanted


def test_an_audience_gets_the_image_and_accounts_its_snapshots() -> None:
    account = SharingAccount()
    audience = Audience(frozenset({OTHER}), frozenset({ORGANIZATION}), frozenset({UNIT}))
    assert account.share(audience)
    assert account.launch == [
        {"Group": "all"},
        {"OrganizationArn": ORGANIZATION},
        {"OrganizationalUnitArn": UNIT},
        {"UserId": OTHER},
    ]
    assert account.copying == {"snap-a": [{"UserId": OTHER}], "snap-b": [{"UserId": OTHER}]}
    assert not account.share(audience)


def test_who_is_not_wanted_any_more_loses_it_and_groups_are_left_alone() -> None:
    account = SharingAccount()
    account.share(Audience(frozenset({OTHER, ANOTHER})))
    assert account.share(Audience(frozenset({ANOTHER})))
    assert account.launch == [{"Group": "all"}, {"UserId": ANOTHER}]
    assert account.copying["snap-b"] == [{"UserId": ANOTHER}]
    assert account.share(Audience())
    assert (account.launch, account.copying["snap-a"]) == ([{"Group": "all"}], [])


def test_the_owner_needs_no_permission() -> None:
    account = SharingAccount()
    assert not account.share(Audience(frozenset({"123456789012"})))


def test_a_key_that_aws_manages_is_refused_before_anything_is_shared() -> None:
    account = SharingAccount(key=KEY, managed=KEY.rpartition("/")[2])
    with pytest.raises(
        MachineFailure, match="snap-a is encrypted with alias/aws/ebs, which no other account"
    ):
        account.share(Audience(frozenset({OTHER})))
    assert not any(operation.startswith("modify") for operation, _arguments in account.calls)


def test_a_key_of_ones_own_can_be_shared() -> None:
    assert SharingAccount(key=KEY, managed="another").share(Audience(frozenset({OTHER})))
    assert SharingAccount(key=KEY).share(Audience(frozenset({OTHER})))


def test_a_pending_image_is_not_shared() -> None:
    with pytest.raises(MachineFailure, match="ami-1 is pending; it can be shared once it is available"):
        SharingAccount(state="pending").share(Audience(frozenset({OTHER})))


@pytest.mark.parametrize(
    ("audience", "what"),
    [
        (Audience(accounts=frozenset({"1234"})), "'1234' is no account id"),
        (Audience(organizations=frozenset({UNIT})), "is no ARN of an organisation$"),
        (Audience(organizational_units=frozenset({"ou-1"})), "'ou-1' is no ARN of an organisational unit"),
    ],
)
def test_what_ec2_would_not_understand_is_refused(audience: Audience, what: str) -> None:
    with pytest.raises(MachineFailure, match=what):
        audience.check()


def keys(*, default: bool = False, manager: str = "CUSTOMER") -> Account:
    return Account(
        get_ebs_encryption_by_default=lambda: {"EbsEncryptionByDefault": default},
        get_ebs_default_kms_key_id=lambda: {"KmsKeyId": "alias/aws/ebs"},
        describe_key=lambda **given: {"KeyMetadata": {"KeyId": given["KeyId"], "KeyManager": manager}},
    )


def test_a_volume_under_a_key_of_aws_is_refused_before_there_is_one() -> None:
    with pytest.raises(MachineFailure, match="an image under the key alias/aws/ebs could not be shared"):
        refuse_unshareable(keys(manager="AWS"), kms_key="", encrypted=True)
    with pytest.raises(MachineFailure, match="an image under the key alias/aws/ebs could not be shared"):
        refuse_unshareable(keys(default=True, manager="AWS"), kms_key="", encrypted=False)


def test_a_volume_without_or_with_ones_own_key_can_be_shared() -> None:
    refuse_unshareable(keys(), kms_key="", encrypted=False)
    refuse_unshareable(keys(default=True), kms_key="alias/own", encrypted=False)


def test_who_may_not_look_at_keys_learns_it_later() -> None:
    account = keys(default=True)
    account.answers["describe_key"] = refusal("AccessDeniedException")
    refuse_unshareable(account, kms_key="alias/own", encrypted=True)
    account.answers["get_ebs_encryption_by_default"] = refusal("UnauthorizedOperation")
    refuse_unshareable(account, kms_key="", encrypted=False)


def test_a_copy_under_a_key_of_aws_is_refused_with_the_option_that_mends_it() -> None:
    account = keys()
    account.answers["describe_key"] = lambda KeyId, **_: {  # noqa: N803  # AWS's name
        "KeyMetadata": {"KeyId": KeyId, "KeyManager": "CUSTOMER" if KeyId == "alias/own" else "AWS"}
    }
    with pytest.raises(MachineFailure, match=r"as distribute\.regions\.eu-west-1\.kms_key"):
        refuse_unshareable(account, kms_key="alias/own", encrypted=True, regions={"eu-west-1": None})
    with pytest.raises(MachineFailure, match=r"as distribute\.regions\.eu-west-1\.kms_key"):
        refuse_unshareable(account, kms_key="", encrypted=False, regions={"eu-west-1": {"encrypted": True}})
    own = {"eu-west-1": {"kms_key": "alias/own"}, account.region: {}}
    refuse_unshareable(account, kms_key="alias/own", encrypted=True, regions=own)
    refuse_unshareable(account, kms_key="", encrypted=False, regions={"eu-west-1": {}})
