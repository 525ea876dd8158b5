# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bake would ask of AWS and be billed for, without a call that changes anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.ec2_launch_plan import SPOT
from ansible_collections.bakery.images.plugins.module_utils.ec2_preparation import Prepared
from ansible_collections.bakery.images.plugins.module_utils.ec2_request import PUBLIC

# One machine is provisioned, and one proves that the image boots.
_MACHINES = 2
# On-demand and spot instances with Linux are billed by the second, for a minute at least ("Amazon EC2
# on-demand pricing").
_LEAST_S = 60.0
_HOUR_S = 3600.0
# A month of storage has that many hours ("Amazon EBS pricing").
_MONTH_H = 730.0


@dataclass(frozen=True)
class Distribution:
    """Where the verified image goes, and what is set on it and on its copies."""

    regions: tuple[str, ...] = ()
    audience: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deprecated: bool = False
    protected: bool = False

    @property
    def images(self) -> int:
        """How many images there will be: one, and its copies."""
        return 1 + len(self.regions)


@dataclass(frozen=True)
class Estimate:
    """A bake that was looked up but not begun; ``lasts_s`` is how long the last one took, None if unknown."""

    prepared: Prepared
    region: str
    names: tuple[str, ...]
    distribution: Distribution = field(default_factory=Distribution)
    lasts_s: float | None = None

    @property
    def size(self) -> int:
        """GiB of the root volume."""
        return self.prepared.wanted.volume.size or self.prepared.image.size

    @property
    def is_spot(self) -> bool:
        """Whether a spot instance is tried first."""
        return self.prepared.plan[0].market == SPOT

    @property
    def has_public_address(self) -> bool:
        """Whether each machine is given an address in the world."""
        return self.prepared.wanted.login.address == PUBLIC

    def calls(self) -> list[dict[str, Any]]:
        """The calls that change something, in their order, if nothing goes wrong."""
        return [{"action": action, "times": times} for action, times in self._calls() if times]

    def billed(self) -> list[dict[str, Any]]:
        """What is billed: ``quantity`` is None where it depends on how long a first bake takes."""
        hours = None if self.lasts_s is None else max(self.lasts_s, _MACHINES * _LEAST_S) / _HOUR_S
        first = self.prepared.plan[0]
        volume = self.prepared.wanted.volume
        storage = None if hours is None else self.size * hours / _MONTH_H
        billed = [
            _item(f"{first.instance_type} {first.market}", hours, "instance-hours"),
            _item(f"{volume.type or 'EBS'} volumes of the machines", storage, "GiB-months"),
            _item("snapshots of the image, at most", self.size, "GiB for as long as the image is kept"),
        ]
        if self.has_public_address:
            billed.append(_item("public IPv4 addresses of the machines", hours, "address-hours"))
        for region in self.distribution.regions:
            billed.append(_item(f"transfer to {region}, at most", self.size, "GiB"))
            what = f"snapshots of the copy in {region}, at most"
            billed.append(_item(what, self.size, "GiB for as long as the copy is kept"))
        return billed

    def _calls(self) -> Iterator[tuple[str, int]]:
        own_group = not self.prepared.wanted.network.security_groups
        yield "CreateSecurityGroup", _MACHINES * own_group
        yield "AuthorizeSecurityGroupIngress", _MACHINES * bool(own_group and self.prepared.cidr)
        yield "RunInstances", _MACHINES
        # EC2 stops no spot instance of a one-time request: it is rebooted while its image is made.
        yield "StopInstances", int(not self.is_spot)
        yield "CreateImage", 1
        yield "CancelSpotInstanceRequests", _MACHINES * self.is_spot
        yield "TerminateInstances", _MACHINES
        yield from self._calls_of_image()
        yield "DeleteSecurityGroup", _MACHINES * own_group

    def _calls_of_image(self) -> Iterator[tuple[str, int]]:
        there = self.distribution
        yield "CreateTags", there.images
        yield "DeleteTags", there.images
        yield "CopyImage", len(there.regions)
        yield "EnableImageDeprecation", there.images * there.deprecated
        yield "EnableImageDeregistrationProtection", there.images * there.protected
        yield "ModifyImageAttribute", there.images * any(there.audience.values())
        disks = 1 + len(self.prepared.image.other_devices)
        yield "ModifySnapshotAttribute", there.images * disks * bool(there.audience.get("accounts"))


def told(estimate: Estimate) -> dict[str, Any]:
    """The estimate as it goes up the wire."""
    prepared, there = estimate.prepared, estimate.distribution
    network = prepared.wanted.network
    return {
        "region": estimate.region,
        "base": {
            "image": prepared.image.id,
            "architecture": prepared.image.architecture,
            "size": prepared.image.size,
        },
        "attempts": [attempt.told("planned") for attempt in prepared.plan],
        "security_groups": list(network.security_groups),
        "lets_in": prepared.cidr,
        "volume": {**vars(prepared.wanted.volume), "size": estimate.size},
        "names": list(estimate.names),
        "regions": [estimate.region, *there.regions],
        "audience": {kind: list(members) for kind, members in there.audience.items() if members},
        "calls": estimate.calls(),
        "billed": estimate.billed(),
    }


def shown(estimate: Estimate) -> list[dict[str, Any]]:
    """The estimate for people: sections with a title and rows of two texts."""
    prepared, there = estimate.prepared, estimate.distribution
    tried = [("try" if not number else "then", str(one)) for number, one in enumerate(prepared.plan)]
    audience = [member for members in there.audience.values() for member in members]
    machines = [
        ("base", f"{prepared.image.id} ({prepared.image.architecture}) in {estimate.region}"),
        *tried,
        ("lets in", _lets_in(prepared)),
        ("root volume", _volume(estimate)),
    ]
    image = [
        ("name", " or ".join(estimate.names) or "by its fingerprint, which is not known yet"),
        ("regions", ", ".join((estimate.region, *there.regions))),
        *([("used by", ", ".join(audience))] if audience else []),
    ]
    calls = [(f"{one['times']} ×", one["action"]) for one in estimate.calls()]
    billed = [(one["what"], _quantity(one)) for one in estimate.billed()]
    return [
        {"title": title, "rows": [list(row) for row in rows]}
        for title, rows in (
            ("two machines, one after the other", machines),
            ("image", image),
            ("calls that change something", calls),
            ("billed", billed),
        )
    ]


def _item(what: str, quantity: float | None, unit: str) -> dict[str, Any]:
    return {"what": what, "quantity": None if quantity is None else round(quantity, 6), "unit": unit}


def _quantity(item: Mapping[str, Any]) -> str:
    if item["quantity"] is None:
        return f"{item['unit']}, by how long they live"
    return f"{item['quantity']:.3g} {item['unit']}"


def _lets_in(prepared: Prepared) -> str:
    network, login = prepared.wanted.network, prepared.wanted.login
    if network.security_groups:
        return f"what {', '.join(network.security_groups)} let in"
    if prepared.cidr:
        return f"{prepared.cidr} on port {login.port}"
    return "nobody: ssh comes through the proxy command"


def _volume(estimate: Estimate) -> str:
    volume = estimate.prepared.wanted.volume
    words = [f"{estimate.size} GiB", volume.type or "of the base's type"]
    words += [f"{volume.iops} IOPS"] if volume.iops else []
    words += [f"{volume.throughput} MiB/s"] if volume.throughput else []
    if volume.kms_key or volume.encrypted:
        words.append(f"encrypted with {volume.kms_key or 'the default key'}")
    return ", ".join(words)
