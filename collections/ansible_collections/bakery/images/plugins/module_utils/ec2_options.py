# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules of the target ec2 have, and what they mean."""

from __future__ import annotations

from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.ec2_bases import BaseSource
from ansible_collections.bakery.images.plugins.module_utils.ec2_request import Login, Network, Volume, Wanted

_WORDS: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
_VOLUME: dict[str, Any] = {
    "size": {"type": "int"},
    "type": {"type": "str"},
    "iops": {"type": "int"},
    "throughput": {"type": "int"},
    "encrypted": {"type": "bool"},
    "kms_key": {"type": "str", "no_log": False},  # the name of one
}
_SSH: dict[str, Any] = {
    "user": {"type": "str", "default": "root"},
    "port": {"type": "int", "default": 22},
    "proxy_command": {"type": "str"},
}
_LAUNCH: dict[str, Any] = {
    "instance_types": _WORDS,
    "subnets": _WORDS,
    "market": {**_WORDS, "choices": ["on-demand", "spot"], "default": ["on-demand"]},
    "security_groups": _WORDS,
    "caller_cidr": {"type": "str"},
    "address": {"type": "str", "choices": ["private", "public"], "default": "public"},
    "instance_profile": {"type": "str"},
    "ssh": {"type": "dict", "default": {}, "apply_defaults": True, "options": _SSH},
    "timeout_s": {"type": "int", "default": 600},
}
# What a module that launches, or would, is told of how.
LAUNCH_OPTIONS: dict[str, Any] = {
    "volume": {"type": "dict", "default": {}, "apply_defaults": True, "options": _VOLUME},
    "launch": {"type": "dict", "default": {}, "apply_defaults": True, "options": _LAUNCH},
}

_BASE: dict[str, Any] = {
    "id": {"type": "str"},
    "name": {"type": "str"},
    "owner": {"type": "str"},
    "ssm": {"type": "str"},
    "architecture": {"type": "str"},
    "deprecated": {"type": "bool", "default": False},
}
BASE_OPTION: dict[str, Any] = {
    "type": "dict",
    "options": _BASE,
    "mutually_exclusive": [("id", "name", "ssm"), ("id", "owner"), ("ssm", "owner")],
    "required_one_of": [("id", "name", "ssm")],
    "required_together": [("name", "owner")],
}

AUDIENCE = ("accounts", "organizations", "organizational_units")
AUDIENCE_OPTIONS: dict[str, Any] = {
    name: {"type": "list", "elements": "str", "default": []} for name in AUDIENCE
}


def wanted_of(params: dict[str, Any], machine_id: str, *, image: str) -> Wanted:
    """What LAUNCH_OPTIONS say of a machine."""
    launch, ssh = params["launch"], params["launch"]["ssh"]
    return Wanted(
        machine_id=machine_id,
        image=image,
        instance_types=tuple(launch["instance_types"]),
        markets=tuple(launch["market"]),
        network=Network(
            subnets=tuple(launch["subnets"]),
            security_groups=tuple(launch["security_groups"]),
            caller_cidr=launch["caller_cidr"],
        ),
        login=Login(address=launch["address"], **ssh),
        volume=Volume(**params["volume"]),
        instance_profile=launch["instance_profile"],
        timeout_s=launch["timeout_s"],
    )


def source_of(base: dict[str, Any]) -> BaseSource:
    """What BASE_OPTION says."""
    given = {name: value for name, value in base.items() if value is not None}
    return BaseSource(image=given.pop("id", ""), **given)
