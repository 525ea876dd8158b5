# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where and how an instance may be had: the attempts in order, and what follows from a refusal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

ON_DEMAND, SPOT = "on-demand", "spot"


class Refusal(Enum):
    """What the failure of an attempt says about others."""

    AGAIN = "nothing: the same may work in a moment"
    SUBNET = "the subnet is full"
    PLACE = "there is none of that type, on that market, in that zone"
    QUOTA = "the account may have no more of that type on that market"
    FATAL = "none will do"


# The codes of RunInstances and of an instance's StateReason (Amazon EC2 API Reference, "Error codes").
_BY_CODE = {
    **dict.fromkeys(("InsufficientFreeAddressesInSubnet",), Refusal.SUBNET),
    **dict.fromkeys(
        (
            "InsufficientCapacity",
            "InsufficientHostCapacity",
            "InsufficientInstanceCapacity",
            "InsufficientReservedInstanceCapacity",
            "Unsupported",
            "Server.InsufficientInstanceCapacity",
            "Server.SpotInstanceTermination",
        ),
        Refusal.PLACE,
    ),
    **dict.fromkeys(
        (
            "Client.InstanceLimitExceeded",
            "InstanceLimitExceeded",
            "MaxSpotInstanceCountExceeded",
            "SpotMaxPriceTooLow",
            "VcpuLimitExceeded",
        ),
        Refusal.QUOTA,
    ),
    **dict.fromkeys(
        (
            "EC2ThrottledException",
            "InternalError",
            "InternalFailure",
            "RequestLimitExceeded",
            "ServiceUnavailable",
            "Throttling",
            "Unavailable",
        ),
        Refusal.AGAIN,
    ),
}
_QUOTA_NAMES = {
    "VcpuLimitExceeded": "quota L-1216C47A, vCPUs of on-demand standard instances",
    "MaxSpotInstanceCountExceeded": "quota L-34B43A08, vCPUs of spot standard instances",
}


@dataclass(frozen=True)
class Subnet:
    """A subnet to launch in."""

    id: str
    zone: str
    vpc: str


@dataclass(frozen=True)
class Attempt:
    """One way to have an instance."""

    instance_type: str
    subnet: Subnet
    market: str

    def __str__(self) -> str:
        return f"{self.instance_type} {self.market} in {self.subnet.id} ({self.subnet.zone})"

    def told(self, outcome: str) -> dict[str, str]:
        """The attempt as it goes up the wire."""
        return {
            "attempt": str(self),
            "instance_type": self.instance_type,
            "market": self.market,
            "subnet": self.subnet.id,
            "zone": self.subnet.zone,
            "outcome": outcome,
        }


def launch_plan(
    instance_types: Sequence[str], subnets: Sequence[Subnet], markets: Sequence[str]
) -> tuple[Attempt, ...]:
    """All attempts: the first market is exhausted before the second, then types, then subnets."""
    return tuple(
        Attempt(instance_type, subnet, market)
        for market in markets
        for instance_type in instance_types
        for subnet in subnets
    )


def refusal(code: str) -> Refusal:
    """What an error code of RunInstances, or the reason why an instance ended at once, says."""
    return _BY_CODE.get(code, Refusal.FATAL)


def explained(code: str) -> str:
    """An error code, with the quota that it is about."""
    return f"{code} ({_QUOTA_NAMES[code]})" if code in _QUOTA_NAMES else code


class Remaining:
    """The attempts of a plan that are still worth making."""

    def __init__(self, plan: Sequence[Attempt]) -> None:
        self._plan = plan
        self._hopeless: list[tuple[Attempt, Refusal]] = []

    def __iter__(self) -> Iterator[Attempt]:
        for attempt in self._plan:
            if not any(_rules_out(failed, why, attempt) for failed, why in self._hopeless):
                yield attempt

    def refused(self, attempt: Attempt, why: Refusal) -> None:
        """Leave out what cannot work either."""
        self._hopeless.append((attempt, why))


def _rules_out(failed: Attempt, why: Refusal, attempt: Attempt) -> bool:
    same_offer = failed.instance_type == attempt.instance_type and failed.market == attempt.market
    if why is Refusal.SUBNET:
        return failed.subnet == attempt.subnet
    if why is Refusal.PLACE:
        return same_offer and failed.subnet.zone == attempt.subnet.zone
    return why is Refusal.QUOTA and same_offer
