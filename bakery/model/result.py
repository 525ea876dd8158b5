"""What a bake came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bakery.errors import BakeryError
from bakery.model.records import CheckReport


class Status(Enum):
    """How a role set ended; the values appear in ``--json``."""

    BAKED = "baked"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class OnError(Enum):
    """What becomes of a failed machine: nothing stays, or its frozen state stays for ``bakery shell``."""

    DISCARD = "discard"
    KEEP = "keep"


@dataclass(frozen=True)
class LayerResult:
    """A layer of the result, from the cache or baked now; ``fingerprint`` is its cache key.

    ``reproduced`` is None unless the layer was baked again and could be compared with what it was.
    """

    role: str
    version: str | None
    fingerprint: str
    id: str
    digest: str
    size: int
    cached: bool
    seconds: float
    reproduced: bool | None = None


@dataclass(frozen=True)
class Irreproducible:
    """A layer baked again from the same inputs that came out different, with the files that differ."""

    role: str
    before: str
    after: str
    files: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class BakeResult:
    """The end of one role set on one target. ``machine`` is the running machine that ``--keep`` left.

    ``kept`` says that ``bakery shell`` opens what failed. ``warnings`` are those of all runs of this bake.
    """

    role_set: str
    target: str
    status: Status
    fingerprint: str
    artifact: Mapping[str, Any] | None
    layers: tuple[LayerResult, ...]
    checks: CheckReport | None
    seconds: float
    error: BakeryError | None = None
    names: tuple[str, ...] = ()
    irreproducible: tuple[Irreproducible, ...] = ()
    machine: Mapping[str, Any] | None = None
    kept: bool = False
    warnings: tuple[str, ...] = ()
