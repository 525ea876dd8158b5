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


class LayerBody(TypedDict):
    """One role of a baked image; ``seconds`` is what this bake spent on it, 0 if it was cached.

    ``reproduced`` is there only after ``--rebake``, if there was a layer of the same inputs to compare with.
    """

    role: str
    version: str | None
    fingerprint: str
    digest: str
    size: int
    cached: bool
    seconds: float
    reproduced: NotRequired[bool]


class Copy(TypedDict):
    """The artifact at another place, under an id of its own."""

    id: str
    location: str
    snapshots: list[str]


class Artifact(TypedDict):
    """What was captured and where it is.

    On targets that have such things also whose it is, what it was made of and is stored as, and its copies.
    """

    kind: str
    id: str
    digest: str
    location: str
    account: NotRequired[str]
    base_image: NotRequired[str]
    snapshots: NotRequired[list[str]]
    copies: NotRequired[list[Copy]]


class Checks(TypedDict):
    """How many checks passed and failed; ``report`` is the path of the full report or null.

    ``failed_units`` is there only if units of systemd failed in the machine that the checks ran on.
    """

    passed: int
    failed: int
    report: str | None
    failed_units: NotRequired[list[str]]


class Difference(TypedDict):
    """A layer that ``--rebake`` did not reproduce: its digests and the files that differ."""

    role: str
    before: str
    after: str
    files: list[dict[str, Any]]


class KeptMachine(TypedDict):
    """A machine that was left running: its id, and the command that opens a shell in it."""

    id: str
    shell: list[str]


class BakeResultBody(TypedDict):
    """One role set on one target. ``status`` is ``baked``, ``unchanged`` or ``failed``.

    ``irreproducible`` is there only if ``--rebake`` found a difference, ``machine`` only after ``--keep``,
    ``warnings`` only if there are any.
    """

    role_set: str
    target: str
    status: str
    fingerprint: str | None
    artifact: Artifact | None
    layers: list[LayerBody]
    checks: Checks | None
    seconds: float
    error: ErrorBody | None
    irreproducible: NotRequired[list[Difference]]
    machine: NotRequired[KeptMachine]
    warnings: NotRequired[list[str]]


class BakeDocument(TypedDict):
    """``bakery bake``. What failed is in ``results``, not in an error document."""

    results: list[BakeResultBody]


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


class ImageBody(TypedDict):
    """A verified image; ``latest`` says whether it is the newest of its role set and target,
    those of other projects included: then ``NAME:latest`` means it.
    """

    role_set: str
    target: str
    project: str
    fingerprint: str
    names: list[str]
    latest: bool
    artifact: Artifact
    size: int | None
    checks: Checks
    base: str
    base_digest: str
    ancestry: list[str]
    made: str
    seconds: float


class ImagesDocument(TypedDict):
    """``bakery images``, oldest first."""

    images: list[ImageBody]


class PackageChanges(TypedDict):
    """``added`` and ``removed`` are [name, version], ``changed`` [name, old, new]."""

    added: list[list[str]]
    removed: list[list[str]]
    changed: list[list[str]]


class SealedPath(TypedDict):
    """What sealing did to a path: removed, emptied, cut back to what the base has, or hidden with it."""

    path: str
    what: str
    reason: str


class ShownLayer(TypedDict):
    """A layer of ``bakery show``: ``files`` counts what is in it, ``seconds`` is what baking it took.

    ``sealed`` is what sealing took away, ``sealed_more`` how many paths beyond those there were; null of a
    layer that does not say.
    """

    role: str
    version: str | None
    fingerprint: str
    digest: str
    size: int
    files: int | None
    seconds: float
    packages: PackageChanges
    sealed: list[SealedPath] | None
    sealed_more: int


class ShownBase(TypedDict):
    """The base of an image: bytes of its layers, uncompressed, and how many files are in them."""

    name: str
    digest: str
    size: int
    files: int


class ShowDocument(TypedDict):
    """``bakery show``; ``config`` is the image config the role set asks for.

    ``base`` is null if the base was renewed or removed since. ``roles`` are pairs of name and version, also
    of an image without layers; ``elsewhere`` are the newest images of the role set on other targets.
    ``packages`` are [name, version] of all that is in an image without layers, as far as that is known, and
    ``sealed`` and ``sealed_more`` what sealing took away of it.
    """

    image: ImageBody
    base: ShownBase | None
    layers: list[ShownLayer]
    roles: list[list[str | None]]
    packages: list[list[str]]
    sealed: list[SealedPath] | None
    sealed_more: int
    config: dict[str, Any]
    elsewhere: list[ImageBody]


class DiffDocument(TypedDict):
    """``bakery diff``; ``report`` has ``packages`` and ``files`` that differ, by role."""

    left: ImageBody
    right: ImageBody
    same: bool
    report: dict[str, Any]


class VerifyDocument(TypedDict):
    """``bakery verify``; each failure is ``{check, message}``."""

    image: ImageBody
    checks: Checks
    failures: list[dict[str, str]]


class ShellDocument(TypedDict):
    """``bakery shell NAME --json -- COMMAND``; output that is not UTF-8 has escapes."""

    name: str
    target: str
    exit_code: int
    stdout: str
    stderr: str


class LoadDocument(TypedDict):
    """``bakery load``: the names the engine knows the image by, and how to run it."""

    names: list[str]
    run: str | None


class ExportDocument(TypedDict):
    """``bakery export``."""

    path: str
    format: str
    bytes: int | None
    digest: str | None


class BaseBody(TypedDict):
    """``state`` is ``made``, ``missing`` (wanted, not made yet) or ``unused`` (made, not in the project)."""

    name: str
    target: str
    state: str
    digest: str | None
    resolved: str | None
    architecture: str | None
    systemd: bool | None
    made: str | None


class BaseDocument(TypedDict):
    """``bakery base list``, and ``bakery base refresh`` with the bases it renewed."""

    bases: list[BaseBody]


class SweptBody(TypedDict):
    """What was removed on a target; ``journal`` are machine ids of dead bakes, ``kept`` of --keep.

    ``others`` are things that only this target has, by kind; ``error`` is why it could not be swept.
    """

    target: str
    machines: list[str]
    mounts: list[str]
    containers: list[str]
    directories: list[str]
    others: dict[str, list[str]]
    journal: list[str]
    kept: list[str]
    error: ErrorBody | None


class SweepDocument(TypedDict):
    """``bakery sweep``; with ``dry_run`` it would be removed. ``runs`` are private files of runs."""

    dry_run: bool
    targets: list[SweptBody]
    runs: list[str]


class PrunedBody(TypedDict):
    """What went on a target. ``images`` are digests, ``layers`` fingerprints, ``bytes`` what became free."""

    target: str
    images: list[str]
    layers: list[str]
    blobs: int
    bytes: int


class PruneDocument(TypedDict):
    """``bakery prune``; with ``dry_run`` it would go."""

    dry_run: bool
    targets: list[PrunedBody]
