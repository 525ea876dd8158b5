# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tags by which everything of ours in an account is told from all else, and found again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.owner import Owner

MACHINE = "bakery:machine"
BAKE = "bakery:bake"
OWNER = "bakery:owner"
ROLE_SET = "bakery:role-set"
EXPIRES = "bakery:expires"
FINGERPRINT = "bakery:fingerprint"
PROJECT = "bakery:project"
SOURCE_IMAGE = "bakery:source-image"
CHECKS, PASSED = "bakery:checks", "bakery:passed"
STATUS = "bakery:status"
UNVERIFIED, VERIFIED = "unverified", "verified"

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def owned(
    machine_id: str, owner: Owner | None, *, expires: float, role_set: str | None = None
) -> dict[str, str]:
    """The tags of what exists for a machine; ``expires`` is in seconds since 1970."""
    tags = {"Name": f"bakery-{machine_id}", MACHINE: machine_id, EXPIRES: to_time(expires)}
    if owner:
        tags |= {BAKE: owner.bake, OWNER: f"{owner.boot}:{owner.pid}:{owner.start}"}
    if role_set:
        tags[ROLE_SET] = role_set
    return tags


def owner_of(tags: Mapping[str, str]) -> Owner | None:
    """The owner that ``owned`` wrote down; None where there is none, or none that can be read."""
    boot, _colon, process = tags.get(OWNER, "").partition(":")
    pid, _colon, start = process.partition(":")
    if not (boot and pid.isdigit() and start.isdigit()):
        return None
    return Owner(bake=tags.get(BAKE, ""), pid=int(pid), start=int(start), boot=boot)


def to_time(seconds: float) -> str:
    """A time as it stands in a tag: UTC, RFC 3339."""
    return time.strftime(_TIME, time.gmtime(seconds))


def to_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as AWS wants them."""
    return [{"Key": name, "Value": value} for name, value in sorted(tags.items())]


def to_mapping(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as AWS has them, by name."""
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


def specifications(tags: Mapping[str, str], kinds: Sequence[str]) -> list[dict[str, Any]]:
    """``TagSpecifications`` that give the same tags to each kind of resource that a call makes."""
    return [{"ResourceType": kind, "Tags": to_list(tags)} for kind in kinds]


def having(name: str, value: str) -> dict[str, Any]:
    """A filter of a listing: the resources whose tag ``name`` is ``value``."""
    return {"Name": f"tag:{name}", "Values": [value]}
