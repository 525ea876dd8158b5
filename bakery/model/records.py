"""What the catalog remembers. Records are written once and never edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bakery.model.project import VaultText


@dataclass(frozen=True)
class BaseRecord:
    """A base that was made; ``spec`` is the digest of what was asked for, ``digest`` of what came out.

    ``layers`` are the target's own layer records, lowest first; ``made`` is RFC 3339.
    """

    target: str
    name: str
    spec: str
    digest: str
    epoch: int
    architecture: str
    systemd: bool
    layers: tuple[Mapping[str, Any], ...]
    config: Mapping[str, Any]
    resolved: str
    made: str

    @property
    def layer_ids(self) -> tuple[str, ...]:
        return tuple(str(layer["id"]) for layer in self.layers)


@dataclass(frozen=True)
class LayerRecord:
    """One role, frozen. ``key`` is the cache key, ``digest`` the content (diffID), ``size`` bytes
    uncompressed.

    ``recipe`` is the key without its parent; ``inputs`` are the key's named parts, for ``plan --why``.
    ``detail`` is what the target handed up (blob, packages, seconds), and as ``vaults`` the encrypted texts
    that could be opened when the role was applied: what they hold may be in the layer.
    """

    key: str
    recipe: str
    target: str
    id: str
    digest: str
    size: int
    role: str
    version: str | None
    seconds: float
    inputs: Mapping[str, Any]
    detail: Mapping[str, Any]
    made: str

    @property
    def vaults(self) -> tuple[VaultText, ...]:
        """The texts in ``detail``."""
        told = self.detail.get("vaults", ())
        return tuple(VaultText(text) for text in told if isinstance(text, str))


@dataclass(frozen=True)
class CheckReport:
    """The outcome of the checks; ``failures`` are ``{check, message}``, ``report`` a path.

    ``failed_units`` are ``{unit, journal}``: what systemd could not start in the machine.
    """

    passed: int
    failed: int
    report: str | None = None
    failures: tuple[Mapping[str, str], ...] = ()
    failed_units: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class ImageRecord:
    """A verified image. ``layers`` are the layer keys of its roles, lowest first, without the base's."""

    role_set: str
    target: str
    project: str
    fingerprint: str
    checks_digest: str
    artifact: Mapping[str, Any]
    base: str
    base_digest: str
    layers: tuple[str, ...]
    ancestry: tuple[str, ...]
    checks: CheckReport
    names: tuple[str, ...]
    seconds: float
    made: str
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Owner:
    """The process a resource lives for: dead once no process has this pid and start time in this boot.

    ``start`` is field 22 of ``/proc/PID/stat`` in clock ticks (proc(5)).
    """

    bake: str
    pid: int
    start: int
    boot: str


@dataclass(frozen=True)
class MachineEntry:
    """A machine in the journal, written before its first use. ``purpose`` is a word such as bake, verify,
    shell.
    """

    id: str
    target: str
    owner: Owner
    purpose: str
    role_set: str
    opened: str


@dataclass(frozen=True)
class Attempt:
    """The last failed bake of a role set, kept so that ``bakery shell`` can look inside.

    ``layers`` are the layer ids below the failing one, lowest first; ``kept`` names the frozen failed state,
    ``artifact`` the captured image whose checks failed. ``project`` is None in what an older bakery wrote.
    """

    role_set: str
    target: str
    stage: str
    role: str | None
    layers: tuple[str, ...]
    epoch: int
    base_digest: str
    kept: str | None
    artifact: Mapping[str, Any] | None
    message: str
    made: str
    project: str | None = None
