"""What bakery knows of a role on disk, as far as its result can depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bakery.errors import Place
from bakery.model.project import VaultText


@dataclass(frozen=True)
class RunsHere:
    """A place in a role that acts on this host and not on the machine, and what does: a few words."""

    place: Place
    what: str


@dataclass(frozen=True)
class RoleSource:
    """A role's tree.

    ``files`` maps each path (relative, ``/``-separated) that can influence the result to the digest of its
    mode bit and bytes: no README, no checks, no scenarios, never mtimes. ``digest`` is over all of them.
    ``names`` are the identifiers in its files. ``dynamic`` says why every variable reaches it
    (``lookup('vars', …)``
    and the like), or is None. ``uses`` are the other roles it can run (dependencies, includes).
    ``vaults`` are the encrypted files of variables that Ansible always reads for it. ``runs_here`` is what of
    its files acts on this host, by Ansible's design, as far as their text tells.
    ``vaults`` are the encrypted files of variables that Ansible always reads for it, ``sealed`` all that is
    encrypted in its files.
    """

    name: str
    path: Path
    version: str | None
    digest: str
    files: Mapping[str, str]
    names: frozenset[str]
    dynamic: str | None
    uses: tuple[str, ...]
    checks: Path | None
    vaults: tuple[VaultText, ...] = ()
    runs_here: tuple[RunsHere, ...] = ()
    sealed: tuple[VaultText, ...] = ()
