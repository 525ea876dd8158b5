"""What a bake will do, decided before anything starts. Printing a plan is the dry run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bakery.model.project import NO_SECRETS, BaseSpec, RoleSet, RoleUse, Secrets, VaultText
from bakery.model.records import BaseRecord, ImageRecord, LayerRecord
from bakery.model.role_source import RoleSource, RunsHere


@dataclass(frozen=True)
class Toolchain:
    """What provisions: part of every key. ``collections`` is the digest of the collections in use."""

    architecture: str
    ansible_core: str
    collections: str


@dataclass(frozen=True)
class World:
    """Everything outside the project file that a plan depends on, read once before planning.

    ``layers`` are keyed by target and cache key, ``bases`` by target and spec digest, ``images`` oldest
    first.
    ``vars_files`` maps a path to its parsed variables, ``input_digests`` a role's extra input to its digest,
    ``check_digests`` a check path to its digest, ``input_vaults`` an extra input to what is encrypted in it.
    """

    roles: Mapping[str, RoleSource]
    bases: Mapping[tuple[str, str], BaseRecord]
    layers: Mapping[tuple[str, str], LayerRecord]
    images: tuple[ImageRecord, ...]
    vars_files: Mapping[str, Mapping[str, Any]]
    input_digests: Mapping[str, str]
    check_digests: Mapping[str, str]
    toolchain: Toolchain
    secret: bytes
    now: datetime
    input_vaults: Mapping[str, tuple[VaultText, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerNode:
    """One role on one chain of parents: a node of the trie.

    ``chain`` identifies the inputs from the base up to this role and is known before anything is baked: it
    names
    the lock and makes role sets share nodes. ``key`` is known once the parent's content is; ``cached`` is
    the layer
    that will be reused. ``why`` is a sentence fragment. ``certain`` says that no layer can turn out to be
    reusable once the parent is baked: the recipe was never baked on any parent. ``vaults`` is what
    Ansible must be able to decrypt for the role. ``runs_here`` is what of the role, and of those that it can
    run, acts on this host.
    """

    chain: str
    parent: str | None
    use: RoleUse
    source: RoleSource
    recipe: str
    inputs: Mapping[str, Any]
    key: str | None
    cached: LayerRecord | None
    why: str
    certain: bool = True
    vaults: tuple[VaultText, ...] = ()
    runs_here: tuple[RunsHere, ...] = ()


@dataclass(frozen=True)
class SetPlan:
    """The plan of one role set on one target.

    ``image`` is the verified record that already answers this plan; then nothing is done. ``latest_of`` is
    the other project whose image the name ``NAME:latest`` means until this one is baked, or None. Where it is
    not ``layered``, one machine gets all roles. Of a ``shared`` target ``image`` is what this catalog
    remembers; whether the image is there, and whether somebody else made it, only the target knows.
    ``secrets`` is what no run for it may say.
    """

    role_set: RoleSet
    target: str
    base: BaseSpec
    base_spec: str
    base_record: BaseRecord | None
    nodes: tuple[LayerNode, ...]
    fingerprint: str
    checks: tuple[str, ...]
    checks_digest: str
    image: ImageRecord | None
    why: str
    latest_of: str | None = None
    layered: bool = True
    shared: bool = False
    secrets: Secrets = NO_SECRETS

    @property
    def to_bake(self) -> tuple[LayerNode, ...]:
        return tuple(node for node in self.nodes if node.cached is None)


@dataclass(frozen=True)
class Plan:
    """All role sets of one request, with shared prefixes shared."""

    sets: tuple[SetPlan, ...]

    @property
    def unchanged(self) -> bool:
        return all(one.image is not None for one in self.sets)
