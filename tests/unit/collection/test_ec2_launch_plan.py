from __future__ import annotations

import pytest
from ansible_collections.bakery.images.plugins.module_utils.ec2_launch_plan import (
    ON_DEMAND,
    SPOT,
    Attempt,
    Refusal,
    Remaining,
    Subnet,
    explained,
    launch_plan,
    refusal,
)

A = Subnet("subnet-a", "zone-a", "vpc")
B = Subnet("subnet-b", "zone-b", "vpc")
ALSO_A = Subnet("subnet-c", "zone-a", "vpc")


def attempts(remaining: Remaining, *, refused: dict[Attempt, Refusal]) -> list[Attempt]:
    made = []
    for attempt in remaining:
        made.append(attempt)
        if attempt in refused:
            remaining.refused(attempt, refused[attempt])
    return made


def test_markets_come_before_types_and_types_before_subnets() -> None:
    plan = launch_plan(["t3", "t4"], [A, B], [SPOT, ON_DEMAND])
    assert [(one.market, one.instance_type, one.subnet.id) for one in plan] == [
        ("spot", "t3", "subnet-a"),
        ("spot", "t3", "subnet-b"),
        ("spot", "t4", "subnet-a"),
        ("spot", "t4", "subnet-b"),
        ("on-demand", "t3", "subnet-a"),
        ("on-demand", "t3", "subnet-b"),
        ("on-demand", "t4", "subnet-a"),
        ("on-demand", "t4", "subnet-b"),
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("InsufficientInstanceCapacity", Refusal.PLACE),
        ("Unsupported", Refusal.PLACE),
        ("Server.InsufficientInstanceCapacity", Refusal.PLACE),
        ("InsufficientFreeAddressesInSubnet", Refusal.SUBNET),
        ("VcpuLimitExceeded", Refusal.QUOTA),
        ("SpotMaxPriceTooLow", Refusal.QUOTA),
        ("RequestLimitExceeded", Refusal.AGAIN),
        ("InternalError", Refusal.AGAIN),
        ("InvalidAMIID.NotFound", Refusal.FATAL),
        ("UnauthorizedOperation", Refusal.FATAL),
        ("", Refusal.FATAL),
    ],
)
def test_an_error_code_says_what_else_is_worth_trying(code: str, expected: Refusal) -> None:
    assert refusal(code) is expected


def test_no_capacity_leaves_out_the_zone_for_that_type_and_market() -> None:
    plan = launch_plan(["t3", "t4"], [A, ALSO_A, B], [ON_DEMAND])
    made = attempts(Remaining(plan), refused={plan[0]: Refusal.PLACE})
    assert [(one.instance_type, one.subnet.id) for one in made] == [
        ("t3", "subnet-a"),
        ("t3", "subnet-b"),
        ("t4", "subnet-a"),
        ("t4", "subnet-c"),
        ("t4", "subnet-b"),
    ]


def test_no_quota_leaves_out_the_type_on_that_market() -> None:
    plan = launch_plan(["t3"], [A, B], [SPOT, ON_DEMAND])
    made = attempts(Remaining(plan), refused={plan[0]: Refusal.QUOTA})
    assert [one.market for one in made] == ["spot", "on-demand", "on-demand"]


def test_a_full_subnet_is_left_out_for_every_type() -> None:
    plan = launch_plan(["t3", "t4"], [A, B], [ON_DEMAND])
    made = attempts(Remaining(plan), refused={plan[0]: Refusal.SUBNET})
    assert [one.subnet for one in made] == [A, B, B]


def test_a_quota_is_named() -> None:
    assert "L-1216C47A" in explained("VcpuLimitExceeded")
    assert explained("Unsupported") == "Unsupported"
