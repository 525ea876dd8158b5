"""A project of one role, and its plans compared: what a key is made of is tried on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bakery.model.plan import SetPlan, World
from bakery.model.project import Project
from tests.unit.builders import plan_one, project, role_set, role_source, role_use, world

# A role that names one variable, has one extra input and depends on another role.
NGINX = role_source(
    "nginx",
    {"tasks/main.yml": "0 tasks", "files/run.sh": "1 script"},
    names=frozenset({"nginx_port", "nginx_url"}),
    uses=("ssl",),
)
SSL = role_source("ssl", {"tasks/main.yml": "0 ssl tasks"}, names=frozenset({"ssl_days"}))
CA = Path("/etc/ssl/ca.pem")


def site(**use: Any) -> Project:
    """A project whose role set ``web`` is nginx alone."""
    given = {"vars": {"nginx_port": 80}, "inputs": (CA,), **use}
    return project(role_set("web", role_use("nginx", **given)))


def around(of: Project, **changes: Any) -> World:
    made = world(of, NGINX, SSL, input_digests={str(CA): "ca 1"})
    return replace(made, **changes)


def planned(of: Project | None = None, at: World | None = None, **changes: Any) -> SetPlan:
    of = of or site()
    return plan_one(of, at or around(of, **changes))


def assert_changes(one: SetPlan, other: SetPlan) -> None:
    assert one.nodes[0].key != other.nodes[0].key
    assert one.nodes[0].chain != other.nodes[0].chain
    assert one.fingerprint != other.fingerprint


def assert_same(one: SetPlan, other: SetPlan) -> None:
    assert one.nodes[0].key is not None
    assert one.nodes[0].key == other.nodes[0].key
    assert one.nodes[0].chain == other.nodes[0].chain
    assert one.fingerprint == other.fingerprint


def with_role(source: Any, *others: Any) -> World:
    of = site()
    return replace(around(of), roles={one.name: one for one in (NGINX, SSL, source, *others)})
