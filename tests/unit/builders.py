"""Short builders of what a project file, the disk and the catalog say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bakery.errors import Place
from bakery.model.fingerprint import fingerprint
from bakery.model.plan import Plan, SetPlan, Toolchain, World
from bakery.model.project import BaseSpec, ImageSpec, Project, RoleSet, RoleUse, Timeouts, VaultSpec
from bakery.model.records import BaseRecord, CheckReport, ImageRecord, LayerRecord
from bakery.model.role_source import RoleSource
from bakery.planning import base_spec, content_after, layer_key, plan

ROOT = Path("/project")
TARGET = "null"
NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
PLACE = Place("bakery.yml", 1)
TOOLCHAIN = Toolchain(architecture="amd64", ansible_core="2.19.0", collections="collections-1")
SECRET = b"secret key of this home"


def role_source(name: str, files: Mapping[str, str] | None = None, **changes: Any) -> RoleSource:
    """A role on disk. ``files`` maps paths to digests; the digest of the tree follows from them."""
    tree = dict(files or {"tasks/main.yml": f"0 tasks of {name}"})
    source = RoleSource(
        name=name,
        path=ROOT / "roles" / name,
        version="1.0.0",
        digest=fingerprint("tree", tree),
        files=tree,
        names=frozenset(),
        dynamic=None,
        uses=(),
        checks=ROOT / "roles" / name / "checks",
    )
    return replace(source, **changes)


def role_use(name: str, **changes: Any) -> RoleUse:
    """A role in a role set, without variables."""
    use = RoleUse(
        name=name,
        version=None,
        vars={},
        set_vars={},
        vars_files=(),
        inputs=(),
        origin="web",
        where=PLACE,
    )
    return replace(use, **changes)


def role_set(name: str, *roles: RoleUse | str, **changes: Any) -> RoleSet:
    """A role set on the base ``bookworm``; roles may be given by name."""
    made = RoleSet(
        name=name,
        base="bookworm",
        ancestry=(),
        roles=tuple(role_use(one, origin=name) if isinstance(one, str) else one for one in roles),
        image=ImageSpec(),
        checks=(),
        targets=(TARGET,),
        where=PLACE,
    )
    return replace(made, **changes)


def base(name: str = "bookworm", **options: Any) -> BaseSpec:
    return BaseSpec(name=name, kind="debian", options={"suite": "bookworm", **options}, where=PLACE)


def project(*role_sets: RoleSet, **changes: Any) -> Project:
    """A project with the base ``bookworm``."""
    made = Project(
        root=ROOT,
        file=ROOT / "bakery.yml",
        name="shop",
        bases={"bookworm": base()},
        role_sets={one.name: one for one in role_sets},
        roles_path=(ROOT / "roles",),
        freshness_s=None,
        vault=VaultSpec(),
        timeouts=Timeouts(),
    )
    return replace(made, **changes)


def base_record(spec: BaseSpec | None = None, **changes: Any) -> BaseRecord:
    """The base, made."""
    spec = spec or base()
    record = BaseRecord(
        target=TARGET,
        name=spec.name,
        spec=base_spec(spec),
        digest=f"content of {spec.name}",
        epoch=1_700_000_000,
        architecture="amd64",
        systemd=True,
        layers=({"id": f"base-{spec.name}"},),
        config={},
        resolved=spec.name,
        made="2024-04-01T00:00:00Z",
    )
    return replace(record, **changes)


def world(of: Project, *sources: RoleSource, **changes: Any) -> World:
    """A world in which the bases are made and nothing else; roles that are not given have plain sources."""
    names = [use.name for one in of.role_sets.values() for use in one.roles]
    roles = {name: role_source(name) for name in names} | {one.name: one for one in sources}
    records = [base_record(one) for one in of.bases.values()]
    checks = [path for one in of.role_sets.values() for path in one.checks]
    checks += [one.checks for one in roles.values() if one.checks]
    made = World(
        roles=roles,
        bases={(one.target, one.spec): one for one in records},
        layers={},
        images=(),
        vars_files={},
        input_digests={},
        check_digests={str(path): f"checks in {path.name}" for path in checks},
        toolchain=TOOLCHAIN,
        secret=SECRET,
        now=NOW,
    )
    return replace(made, **changes)


def plan_all(of: Project, at: World) -> Plan:
    """The plan of every role set on every target it has."""
    wanted = tuple((one.name, target) for one in of.role_sets.values() for target in one.targets)
    return plan(of, wanted, at)


def plan_one(of: Project, at: World, name: str = "web") -> SetPlan:
    return plan(of, ((name, TARGET),), at).sets[0]


def layer_record(role: str, **changes: Any) -> LayerRecord:
    """A layer of ``role``; its key and id follow from the role's name unless they are given."""
    record = LayerRecord(
        key=f"key of {role}",
        recipe=f"recipe of {role}",
        target=TARGET,
        id=f"layer-{role}",
        digest=f"sha256:{fingerprint(role)}",
        size=100,
        role=role,
        version=None,
        seconds=1.5,
        inputs={},
        detail={},
        made="2024-04-02T00:00:00Z",
    )
    return replace(record, **changes)


def image_record(name: str, **changes: Any) -> ImageRecord:
    """A verified image of the role set ``name``; artifact digests follow from its fingerprint."""
    print_of = changes.pop("fingerprint", fingerprint(name))
    record = ImageRecord(
        role_set=name,
        target=TARGET,
        project="shop",
        fingerprint=print_of,
        checks_digest="checks",
        artifact={
            "kind": "oci-image",
            "id": f"sha256:{fingerprint('id', print_of)}",
            "digest": f"sha256:{fingerprint('manifest', print_of)}",
            "location": "oci:store",
        },
        base="bookworm",
        base_digest="content of bookworm",
        layers=(),
        ancestry=(),
        checks=CheckReport(passed=3, failed=0),
        names=(f"{name}:latest",),
        seconds=9.0,
        made="2024-04-03T00:00:00Z",
        inputs={"base_layers": ["base-bookworm"]},
    )
    return replace(record, **changes)


def after_baking(of: Project, at: World, contents: Mapping[str, str] | None = None) -> World:
    """The world once every role set was baked; ``contents`` says what a role's layer came to hold."""
    layers, images = dict(at.layers), list(at.images)
    for one in plan_all(of, at).sets:
        assert one.base_record is not None
        content, keys = one.base_record.digest, []
        for node in one.nodes:
            key = layer_key(content, node.recipe)
            text = (contents or {}).get(node.use.name, f"what {node.recipe} makes")
            record = layer_record(
                node.use.name,
                key=key,
                recipe=node.recipe,
                digest=f"sha256:{fingerprint(text)}",
                inputs=node.inputs,
            )
            record = layers.setdefault((one.target, key), record)
            content = content_after(content, record)
            keys.append(key)
        images.append(
            image_record(
                one.role_set.name,
                target=one.target,
                fingerprint=one.fingerprint,
                checks_digest=one.checks_digest,
                layers=tuple(keys),
            )
        )
    return replace(at, layers=layers, images=tuple(images))
