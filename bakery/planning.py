"""Decide what a bake has to do. Pure: the same project and world give the same plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bakery.errors import InputError
from bakery.model.fingerprint import fingerprint
from bakery.model.plan import LayerNode, Plan, SetPlan, World
from bakery.model.project import BaseSpec, Project, RoleSet, RoleUse, Secrets, VaultText
from bakery.model.records import BaseRecord, ImageRecord, LayerRecord
from bakery.model.role_source import RoleSource, RunsHere
from bakery.variables import ValueFacts, vaults_in, visible_variables

# Part of every key: raise it when the same inputs begin to give other bytes.
FORMAT = 1
# The same of layers alone. 2: sealing takes away less, and ACLs are part of a layer.
LAYER_FORMAT = 2


def base_spec(base: BaseSpec) -> str:
    """What was asked for of a base, whatever it is called."""
    return fingerprint("base", FORMAT, base.kind, base.options)


def root_content(base: BaseRecord) -> str:
    """What lies below the first role: the base, whose digest is over its layers and its config.

    Layers that were baked before tasks saw the environment of the base are others.
    """
    return fingerprint("base environment", base.digest) if base.config.get("Env") else base.digest


def content_after(parent: str, layer: LayerRecord) -> str:
    """The content digest of a chain of layers once ``layer`` lies on ``parent``."""
    return fingerprint("content", parent, layer.digest)


def layer_key(parent_content: str, recipe: str) -> str:
    """The cache key of a layer: what is below it, byte for byte, and everything that makes it."""
    return fingerprint("layer", LAYER_FORMAT, parent_content, recipe)


def plan(project: Project, wanted: tuple[tuple[str, str], ...], world: World) -> Plan:
    """Plan the ``(role set, target)`` pairs in ``wanted``, in that order."""
    facts = ValueFacts()
    return Plan(
        sets=tuple(
            _SetPlanning(project, project.role_sets[name], target, world, facts).plan()
            for name, target in wanted
        )
    )


def wanted_sets(
    project: Project, names: tuple[str, ...], targets: tuple[str, ...] = ()
) -> tuple[tuple[str, str], ...]:
    """The pairs a request means: each named role set (all of them if none is named) on each of its targets.

    ``targets`` narrows; a target that a set does not have is refused.
    """
    pairs: list[tuple[str, str]] = []
    for name in names or tuple(project.role_sets):
        role_set = project.role_sets[name]
        for target in targets or role_set.targets:
            if target not in role_set.targets:
                raise InputError(
                    f"role set '{name}' has no target '{target}'",
                    where=role_set.where,
                    hint=f"it has {', '.join(role_set.targets)}",
                )
            pairs.append((name, target))
    return tuple(dict.fromkeys(pairs))


@dataclass(frozen=True)
class _SetPlanning:
    """The planning of one role set on one target."""

    project: Project
    role_set: RoleSet
    target: str
    world: World
    facts: ValueFacts

    def plan(self) -> SetPlan:
        spec = base_spec(self.base)
        nodes = self._nodes()
        checks = self._checks()
        strict = ("strict",) if self.role_set.strict else ()
        checks_digest = fingerprint("checks", [self.world.check_digests[path] for path in checks], *strict)
        last = nodes[-1].chain if nodes else self._root_chain()
        configured = self.project.targets.get(self.target)
        of_target = (configured.of_image,) if configured and configured.of_image else ()
        identity = fingerprint(
            "image", FORMAT, self.target, self.role_set.name, last, asdict(self.role_set.image), *of_target
        )
        image, why = self._find_image(identity, checks_digest)
        return SetPlan(
            role_set=self.role_set,
            target=self.target,
            base=self.base,
            base_spec=spec,
            base_record=self.base_record,
            nodes=nodes,
            fingerprint=identity,
            checks=checks,
            checks_digest=checks_digest,
            image=image,
            why=why,
            latest_of=self._latest_of(image),
            layered=configured.kind.layered if configured else True,
            shared=configured.kind.shared if configured else False,
            secrets=self._secrets(nodes),
        )

    @property
    def base(self) -> BaseSpec:
        return self.project.base(self.role_set.base, self.target)

    @property
    def base_record(self) -> BaseRecord | None:
        """The base as this project calls it: another one may have made it by another name."""
        record = self.world.bases.get((self.target, base_spec(self.base)))
        return replace(record, name=self.base.name) if record else None

    def _root_chain(self) -> str:
        record = self.base_record
        return fingerprint("root", root_content(record) if record else base_spec(self.base))

    def _nodes(self) -> tuple[LayerNode, ...]:
        record = self.base_record
        chain, content = self._root_chain(), root_content(record) if record else None
        parent: str | None = None
        nodes: list[LayerNode] = []
        known_recipes = {
            one.recipe for (target, _), one in self.world.layers.items() if target == self.target
        }
        for use in self.role_set.roles:
            variables = self._variables(use)
            inputs = self._inputs(use, variables)
            recipe = fingerprint("recipe", {name: part for name, part in inputs.items() if name != "files"})
            chain = fingerprint("chain", self.target, chain, recipe)
            key = layer_key(content, recipe) if content else None
            cached = self.world.layers.get((self.target, key)) if key else None
            nodes.append(
                LayerNode(
                    chain=chain,
                    parent=parent,
                    use=use,
                    source=self.world.roles[use.name],
                    recipe=recipe,
                    inputs=inputs,
                    key=key,
                    cached=cached,
                    why=f"baked {cached.made}" if cached else self._why(inputs, key),
                    certain=bool(key) or recipe not in known_recipes,
                    vaults=self._vaults(use, variables),
                    runs_here=self._runs_here(use),
                )
            )
            content = content_after(content, cached) if content and cached else None
            parent = chain
        return tuple(nodes)

    def _variables(self, use: RoleUse) -> dict[str, Any]:
        """The variables that the role can see, by name."""
        sources = _closure(use.name, self.world.roles)
        names: frozenset[str] = frozenset().union(*(source.names for source in sources))
        dynamic = next((source.dynamic for source in sources if source.dynamic), None)
        return visible_variables(use, names, dynamic, self.world.vars_files, facts=self.facts)

    def _vaults(self, use: RoleUse, variables: Mapping[str, Any]) -> tuple[VaultText, ...]:
        """What Ansible must be able to decrypt for the role."""
        # Not those of the roles that it can run: nobody knows whether it does.
        holders = [value for value in variables.values() if self.facts.holds_vault(value)]
        return tuple(dict.fromkeys((*vaults_in(holders), *self.world.roles[use.name].vaults)))

    def _runs_here(self, use: RoleUse) -> tuple[RunsHere, ...]:
        """What acts on this host in the role and in those that it can run."""
        return tuple(one for source in _closure(use.name, self.world.roles) for one in source.runs_here)

    def _secrets(self, nodes: tuple[LayerNode, ...]) -> Secrets:
        """Everything encrypted that a role of the set could read, named by a variable or not."""
        world = self.world
        needed = tuple(dict.fromkeys(text for node in nodes for text in node.vaults))
        others: list[VaultText] = []
        for use in self.role_set.roles:
            others += vaults_in([use.vars, use.set_vars])
            others += vaults_in([world.vars_files[str(path)] for path in use.vars_files])
            others += (text for path in use.inputs for text in world.input_vaults.get(str(path), ()))
            others += (text for source in _closure(use.name, world.roles) for text in source.sealed)
        unnamed = tuple(text for text in dict.fromkeys(others) if text not in needed)
        return Secrets(needed, unnamed, self.project.vault)

    def _inputs(self, use: RoleUse, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The named parts of a layer's key, except its parent.

        ``files`` repeats ``trees`` in detail, to explain changes, and is not part of the key.
        """
        world = self.world
        sources = _closure(use.name, world.roles)
        record = self.base_record
        return {
            "format": LAYER_FORMAT,
            "architecture": record.architecture if record else world.toolchain.architecture,
            "role": use.name,
            "trees": {source.name: source.digest for source in sources},
            "files": {
                f"{source.name}/{path}": digest for source in sources for path, digest in source.files.items()
            },
            "variables": self.facts.digests(world.secret, variables),
            "inputs": {self._portable(path): world.input_digests[str(path)] for path in use.inputs},
            "ansible_core": world.toolchain.ansible_core,
            "collections": world.toolchain.collections,
            "packages": self._package_window(),
            # Absent where nothing is kept, so that a new word in the file's format changes no key.
            **({"keep": list(use.keep)} if use.keep else {}),
        }

    def _portable(self, path: Path) -> str:
        """``path`` as seen from the project, so that a checkout elsewhere has the same keys."""
        root = self.project.root
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def _package_window(self) -> int | None:
        """The freshness window that now lies in: a layer is not reused in a later one."""
        if self.project.freshness_s is None:
            return None
        return int(self.world.now.timestamp()) // self.project.freshness_s

    def _checks(self) -> tuple[str, ...]:
        of_roles = (self.world.roles[use.name].checks for use in self.role_set.roles)
        paths = [str(path) for path in (*of_roles, *self.role_set.checks) if path]
        return tuple(dict.fromkeys(paths))

    def _find_image(self, identity: str, checks_digest: str) -> tuple[ImageRecord | None, str]:
        named = self._images_of_this_name()
        same = [one for one in named if one.fingerprint == identity]
        for record in reversed(same):
            if record.checks_digest == checks_digest:
                return record, f"verified {record.made}"
        if same:
            return None, "the checks changed"
        baked = any(one.project == self.project.name for one in named)
        return None, "the recipe changed" if baked else "never baked"

    def _images_of_this_name(self) -> list[ImageRecord]:
        """Of every project, oldest first: an equal image need not be baked again because another one did."""
        mine = (self.role_set.name, self.target)
        return [one for one in self.world.images if (one.role_set, one.target) == mine]

    def _latest_of(self, image: ImageRecord | None) -> str | None:
        named = self._images_of_this_name()
        if not named or named[-1] == image or named[-1].project == self.project.name:
            return None
        return named[-1].project

    def _why(self, inputs: Mapping[str, Any], key: str | None) -> str:
        mine = [
            one
            for (target, _), one in self.world.layers.items()
            if target == self.target and one.role == inputs["role"]
        ]
        if not mine:
            return "never baked"
        newest_first = sorted(mine, key=lambda one: one.made, reverse=True)
        nearest = min(newest_first, key=lambda one: len(differences(one.inputs, inputs)))
        changes = differences(nearest.inputs, inputs)
        if changes:
            return ", ".join(changes)
        return "what is below it changed" if key else "reused if what is below it comes out the same"


def _closure(name: str, roles: Mapping[str, RoleSource]) -> tuple[RoleSource, ...]:
    """The role and every role it can run, sorted by name."""
    seen: dict[str, RoleSource] = {}
    todo = [name]
    while todo:
        current = todo.pop()
        source = roles.get(current)
        if source is None or current in seen:
            continue
        seen[current] = source
        todo.extend(source.uses)
    return tuple(seen[one] for one in sorted(seen))


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """What differs between two layers' inputs, as sentence fragments."""
    changes: list[str] = []
    for part, words in (("variables", "variable"), ("files", "file"), ("inputs", "input")):
        ours, theirs = old.get(part, {}), new.get(part, {})
        names = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
        if names:
            shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
            changes.append(f"{words}{'s' if len(names) > 1 else ''} {shown} changed")
    for part, words in (
        ("ansible_core", "ansible-core"),
        ("collections", "a collection"),
        ("architecture", "the architecture"),
        ("packages", "the freshness window"),
        ("keep", "what sealing keeps"),
        ("format", "bakery's layer format"),
    ):
        if old.get(part) != new.get(part):
            changes.append(f"{words} changed")
    return tuple(changes)
