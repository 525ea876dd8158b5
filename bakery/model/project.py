"""What a project file says: bases, role sets and the roles they are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bakery.errors import Place
from bakery.model.target import Target


@dataclass(frozen=True)
class VaultText:
    """A vault-encrypted scalar (``!vault``), carried as it stands: bakery never shows it.

    ``where`` is its line in its file, without a line for a file that is encrypted as a whole. The same
    ciphertext elsewhere is the same value.
    """

    ciphertext: str = field(repr=False)
    where: Place | None = field(default=None, compare=False)


@dataclass(frozen=True)
class BaseSpec:
    """What an image starts from: ``kind`` names the recipe, ``options`` are its own.

    ``others`` are recipes of the same system for targets that cannot use this one, by kind.
    """

    name: str
    kind: str
    options: Mapping[str, Any]
    where: Place
    others: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of_kinds(self, kinds: tuple[str, ...]) -> BaseSpec | None:
        """The recipe of one of these kinds, if there is one."""
        recipes = {self.kind: self.options, **self.others}
        kind = next((kind for kind in kinds if kind in recipes), None)
        return replace(self, kind=kind, options=recipes[kind], others={}) if kind else None


@dataclass(frozen=True)
class RoleUse:
    """One role of a role set, with every variable source that reaches it.

    ``vars`` are the role's own and win over ``set_vars``; ``vars_files`` are absolute paths.
    ``inputs`` are absolute paths outside the role that its result depends on.
    ``origin`` is the role set that names the role (an ancestor's with ``from``). ``keep`` are absolute paths
    in the machine that sealing leaves as they are.
    """

    name: str
    version: str | None
    vars: Mapping[str, Any]
    set_vars: Mapping[str, Any]
    vars_files: tuple[Path, ...]
    inputs: tuple[Path, ...]
    origin: str
    where: Place
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageSpec:
    """The image config; ``None`` means "as the base has it". Durations are strings such as ``30s``."""

    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    workdir: str | None = None
    healthcheck: Mapping[str, Any] | None = None
    stop_signal: str | None = None
    volumes: tuple[str, ...] = ()
    compression: str = "gzip"


@dataclass(frozen=True)
class RoleSet:
    """A base, an ordered list of roles (those of its ancestors first) and what the result must pass.

    ``ancestry`` lists the role sets it builds on, nearest first; ``checks`` are absolute paths. With
    ``strict`` checks a unit that fails when the image boots is a failed check.
    """

    name: str
    base: str
    ancestry: tuple[str, ...]
    roles: tuple[RoleUse, ...]
    image: ImageSpec
    checks: tuple[Path, ...]
    targets: tuple[str, ...]
    where: Place
    strict: bool = False


@dataclass(frozen=True)
class VaultIdentity:
    """One way to open vaults: ``[id@]path``, the path that of a password file or of a client script.

    A path that begins with ``/`` has no id before it; an id ends at the first ``@``. More of them are the
    path's own.
    """

    text: str
    where: Place | None = field(default=None, compare=False)

    @property
    def label(self) -> str:
        """The id; ``default`` is what Ansible calls an identity without one."""
        return self._parts()[0]

    @property
    def path(self) -> str:
        return self._parts()[1]

    def _parts(self) -> tuple[str, str]:
        label, at, path = self.text.partition("@")
        return ("default", self.text) if self.text.startswith("/") or not at else (label, path)


@dataclass(frozen=True)
class VaultSpec:
    """How Ansible opens vaults."""

    identities: tuple[VaultIdentity, ...] = ()


@dataclass(frozen=True)
class Secrets:
    """What a run must not say, whichever step it is: encrypted texts, and how Ansible opens them.

    ``needed`` are those that roles cannot do without, ``others`` may have been encrypted for somebody else:
    what no password of the project opens, no role of it ever saw.
    """

    needed: tuple[VaultText, ...] = ()
    others: tuple[VaultText, ...] = ()
    vault: VaultSpec = VaultSpec()

    def with_opened(self, texts: Iterable[VaultText]) -> Secrets:
        """These and more, which roles are known to have read."""
        return replace(self, needed=tuple(dict.fromkeys((*self.needed, *texts))))


NO_SECRETS = Secrets()


@dataclass(frozen=True)
class Timeouts:
    """Seconds until a provisioning run is stopped: without any event, and in all."""

    idle_s: int = 1800
    total_s: int = 7200


@dataclass(frozen=True)
class Project:
    """One loaded ``bakery.yml``, resolved and valid."""

    root: Path
    file: Path
    name: str
    bases: Mapping[str, BaseSpec]
    role_sets: Mapping[str, RoleSet]
    roles_path: tuple[Path, ...]
    freshness_s: int | None
    vault: VaultSpec
    timeouts: Timeouts
    targets: Mapping[str, Target] = field(default_factory=dict)

    def base(self, name: str, target: str) -> BaseSpec:
        """The recipe of a base that a target uses; any, where the target says nothing of what it can use."""
        base, known = self.bases[name], self.targets.get(target)
        return (base.of_kinds(known.kind.bases) if known else None) or base
