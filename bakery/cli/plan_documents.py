"""The shape of what ``bakery plan --json`` prints; what holds for all of them is said in documents.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from bakery.cli.documents import ErrorBody


class RunsHereBody(TypedDict):
    """A place in a role, or in one that it can run, that acts on this host and not on the machine."""

    file: str
    line: int | None
    what: str


class PlannedRole(TypedDict):
    """``state`` is ``cached``, ``bake``, or ``unknown``: cached if its parent comes out as it once was."""

    role: str
    version: str | None
    state: str
    fingerprint: str | None
    why: str
    runs_here: list[RunsHereBody]


class PlannedBase(TypedDict):
    """``digest`` is null until the base is made."""

    name: str
    state: str
    digest: str | None


class PlannedSet(TypedDict):
    """``status`` is ``unchanged`` or ``bake``; ``fingerprint`` is null until the base is made.

    ``latest_of`` is another project of the same home whose image ``NAME:latest`` means now, or null.
    ``estimate`` is there only if something is to be baked and the target tells what that takes; it is the
    target's own, and null if there is an ``error`` instead.
    ``checks`` are what pytest runs on this host.
    """

    role_set: str
    target: str
    status: str
    fingerprint: str | None
    why: str
    latest_of: str | None
    base: PlannedBase
    roles: list[PlannedRole]
    checks: list[str]
    estimate: NotRequired[Mapping[str, Any] | None]
    error: NotRequired[ErrorBody]


class PlanDocument(TypedDict):
    """``bakery plan``."""

    sets: list[PlannedSet]
