"""The shapes of what ``--json`` prints. They are stable: keys may be added, never renamed or dropped.

Sizes are bytes, durations seconds, times RFC 3339 in UTC, digests ``sha256:`` and 64 hexadecimal digits.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class ErrorBody(TypedDict):
    """A failure. ``where`` is ``file:line`` or null, ``hint`` the next step or null."""

    message: str
    where: str | None
    hint: str | None
    exit_code: int
    errors: NotRequired[list[ErrorBody]]


class ErrorDocument(TypedDict):
    """Any verb that failed as a whole. ``errors`` in it lists every mistake of a project file."""

    error: ErrorBody


class BakedLayer(TypedDict):
    """One role of a baked image; ``seconds`` is what baking it took, also when it came from the cache."""

    role: str
    version: str | None
    fingerprint: str
    digest: str
    size: int
    cached: bool
    seconds: float


class Artifact(TypedDict):
    """What was captured and where it is."""

    kind: str
    id: str
    digest: str
    location: str


class Checks(TypedDict):
    """How many checks passed and failed; ``report`` is the path of the full report or null."""

    passed: int
    failed: int
    report: str | None


class BakeResult(TypedDict):
    """One role set on one target. ``status`` is ``baked``, ``unchanged`` or ``failed``."""

    role_set: str
    target: str
    status: str
    fingerprint: str | None
    artifact: Artifact | None
    layers: list[BakedLayer]
    checks: Checks | None
    seconds: float
    error: ErrorBody | None


class BakeDocument(TypedDict):
    """``bakery bake``."""

    results: list[BakeResult]


class PlannedRole(TypedDict):
    """``state`` is ``cached``, ``bake``, or ``unknown`` until its parent is baked."""

    role: str
    version: str | None
    state: str
    fingerprint: str | None
    why: str


class PlannedBase(TypedDict):
    """``digest`` is null until the base is made."""

    name: str
    state: str
    digest: str | None


class PlannedSet(TypedDict):
    """``status`` is ``unchanged``, ``verify`` (only the checks changed) or ``bake``."""

    role_set: str
    target: str
    status: str
    fingerprint: str
    why: str
    base: PlannedBase
    roles: list[PlannedRole]


class PlanDocument(TypedDict):
    """``bakery plan``."""

    sets: list[PlannedSet]


class Need(TypedDict):
    """One thing this host must have; ``status`` is ``ok``, ``missing`` or ``skipped``."""

    need: str
    status: str
    optional: bool
    found: str | None
    trouble: str | None
    why: str
    get: str | None
    packages: dict[str, list[str]]


class DoctorDocument(TypedDict):
    """``bakery doctor``; ``installed`` lists the packages that ``--fix`` installed."""

    ok: bool
    checks: list[Need]
    installed: list[str]


class InitDocument(TypedDict):
    """``bakery init``; paths are relative to ``project``."""

    project: str
    created: list[str]


class VersionDocument(TypedDict):
    """``bakery version``; null where something is not installed."""

    bakery: str
    python: str
    components: dict[str, str | None]


class CompletionDocument(TypedDict):
    """``bakery completion``."""

    shell: str
    script: str


class SchemaDocument(TypedDict, total=False):
    """``bakery schema`` prints the JSON Schema itself, with or without ``--json``."""

    title: str
    properties: dict[str, Any]
