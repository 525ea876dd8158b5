"""What is asked for before a role is applied; the dry runs themselves are in the end-to-end tests."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import AwsFailure
from ansible_collections.bakery.images.plugins.module_utils.ec2_permissions import refuse_unpermitted

from tests.unit.collection.ec2_account import Account, refusal

TAGS = {"bakery:machine": "web-1"}
INSTANCE = {"InstanceId": "i-1"}


def account(*, stop: str = "DryRunOperation", create: str = "DryRunOperation") -> Any:
    return Account(stop_instances=refusal(stop), create_image=refusal(create))


def asked(of: Any) -> list[str]:
    assert all(arguments["DryRun"] for _operation, arguments in of.calls)
    return [operation for operation, _arguments in of.calls]


def test_what_is_allowed_is_asked_and_nothing_said() -> None:
    of = account()
    refuse_unpermitted(of, INSTANCE, TAGS)
    assert asked(of) == ["stop_instances", "create_image"]


@pytest.mark.parametrize("missing", [{"stop": "UnauthorizedOperation"}, {"create": "AccessDenied"}])
def test_a_missing_permission_is_a_failure(missing: dict[str, str]) -> None:
    with pytest.raises(AwsFailure) as failure:
        refuse_unpermitted(account(**missing), INSTANCE, TAGS)
    assert failure.value.forbidden


def test_whatever_else_is_wrong_is_left_to_the_call_itself() -> None:
    of = account(stop="IncorrectInstanceState", create="RequestLimitExceeded")
    refuse_unpermitted(of, INSTANCE, TAGS)
    assert asked(of) == ["stop_instances", "create_image"]


def test_a_spot_instance_is_never_stopped() -> None:
    of = account(stop="UnauthorizedOperation")
    refuse_unpermitted(of, {**INSTANCE, "InstanceLifecycle": "spot"}, TAGS)
    assert asked(of) == ["create_image"]
