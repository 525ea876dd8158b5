"""The schema that editors use and the loader agree about what a file may hold."""

# ruff: noqa: E501 - tables

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.load.format import project_format
from bakery.load.mistakes import Mistakes
from bakery.load.scalar_shapes import Spot
from bakery.load.schema import json_schema
from bakery.load.yaml_nodes import Entry, Mapping, Node, Scalar, Sequence
from bakery.load.yaml_text import parse_yaml
from bakery.model.project import VaultText
from tests.unit.load.test_project_mistakes import HEAD, TABLE
from tests.unit.load.test_section_mistakes import BASES, SECTIONS

VALIDATOR = jsonschema.Draft7Validator(json_schema())
# What one file alone cannot tell: names that refer to something, and what lies on disk.
BEYOND_SCHEMA = (
    "there is no",
    "has no base",
    "is not in roles",
    "in a circle",
    "is asked for",
    "does not exist",
)
BEYOND_SCHEMA += ("builds on more", "no directory", "be executed")

NOTHING_ALLOWED = [[[]]]


def instance(node: Node) -> Any:
    """The JSON that an editor sees; a vault value becomes what only variables may hold."""
    if isinstance(node, Mapping):
        return {entry.key.text: instance(entry.value) for entry in node.entries}
    if isinstance(node, Sequence):
        return [instance(item) for item in node.items]
    assert isinstance(node, Scalar)
    return NOTHING_ALLOWED if isinstance(node.value, VaultText) else node.value


def accepted(node: Node) -> bool:
    mistakes = Mistakes("bakery.yml")
    project_format().read(node, Spot("", 1), mistakes=mistakes)
    return not len(mistakes)


def parse(text: str) -> Node:
    mistakes = Mistakes("bakery.yml")
    node = parse_yaml(text, mistakes)
    mistakes.refuse()
    assert node is not None
    return node


def test_the_schema_is_a_schema_and_json() -> None:
    jsonschema.Draft7Validator.check_schema(json_schema())
    assert json.loads(json.dumps(json_schema())) == json_schema()


def test_every_key_is_described() -> None:
    def undescribed(schema: dict[str, Any], path: str) -> list[str]:
        found = []
        for name, below in schema.get("properties", {}).items():
            found += [] if below.get("description") else [f"{path}.{name}"]
            found += undescribed(below, f"{path}.{name}")
        for below in [*schema.get("anyOf", []), schema.get("items"), schema.get("additionalProperties")]:
            found += undescribed(below, path) if isinstance(below, dict) else []
        return found

    assert undescribed(json_schema(), "") == []


@pytest.mark.parametrize(("text", "sentences"), [*TABLE, *SECTIONS])
def test_schema_and_loader_agree_about_role_sets(text: str, sentences: list[str]) -> None:
    node = parse(HEAD + text)
    assert VALIDATOR.is_valid(instance(node)) == accepted(node)
    assert accepted(node) == all(any(words in one for words in BEYOND_SCHEMA) for one in sentences)


@pytest.mark.parametrize(("text", "sentences"), BASES)
def test_schema_and_loader_agree_about_bases(text: str, sentences: list[str]) -> None:
    node = parse(f"version: 1\nbases:\n  {text}\nrole_sets: {{web: {{base: b, roles: [app]}}}}")
    assert VALIDATOR.is_valid(instance(node)) == accepted(node)
    assert accepted(node) == all(any(words in one for words in BEYOND_SCHEMA) for one in sentences)


def test_the_sample_project_is_valid() -> None:
    text = (Path(__file__).parents[3] / "bakery.yml").read_text(encoding="utf-8")
    node = parse(text)
    assert accepted(node)
    assert list(VALIDATOR.iter_errors(instance(node))) == []


# ── every place in a good file, with every kind of value ─────────────────────────────────────────────────────────

GOOD = {
    "bases": """\
version: 1
name: shop
bases:
  deb: {debian: {suite: bookworm, components: [main], packages: [curl], systemd: true, variant: apt, mirror: m, keyring: k}}
  img: {oci: 'docker://x'}
  arc: {oci: {reference: 'oci:x:y'}}
role_sets: {a: {from: b}}
""",
    "role sets": """\
version: 1
role_sets:
  a:
    description: text
    base: deb
    roles: [x, x@1, {name: x, version: 1, vars: {a: 1}, inputs: [p]}]
    vars: {a: {b: [1]}}
    vars_files: [p]
    keep: [/var/log/app]
    checks: [p]
    targets: [t]
""",
    "image": """\
version: 1
role_sets:
  a:
    roles: [x]
    image:
      entrypoint: [a]
      cmd: a b
      env: {A: b}
      ports: [80, 81/udp]
      labels: {a: b}
      user: a
      workdir: /a
      healthcheck: {test: [a], interval: 1s, timeout: 1m, retries: 1, start_period: 0s}
      stop_signal: SIGTERM
      volumes: [/a]
      compression: zstd
""",
    "defaults": """\
version: 1
role_sets: {a: {from: b}}
defaults:
  base: deb
  targets: [t]
  roles_path: [p]
  vars: {a: 1}
  freshness: 7d
  keep: [/var/log/all.log, "/srv/.../a b"]
  vault: {password_file: p, client: p, identities: [a@b]}
  timeouts: {idle: 1m, total: 1h}
""",
    "strict": """\
version: 1
role_sets:
  a: {base: deb, roles: [x], checks: strict}
  b: {base: deb, roles: [x], checks: {mode: lenient, paths: [p]}}
defaults: {checks: strict}
""",
}
VALUES = [
    "~", "''", "x", "X", "x y", "'x\\ny'", '"x\\0y"', "0", "1", "-1", "80", "65535", "65536", "80.0", "1.5", "1e3", ".inf",
    ".nan", "true", "no", "'80'", "80/tcp", "65536/tcp", "'080'", "30s", "0s", "1h30m", "30 s", "/a", "a/b", "SIGRTMIN+3",
    "2024-01-02", "!vault x", "[]", "[x]", "[1]", "[~]", "[[x]]", "[/a, /a]", "{}", "{a: b}", "{A: 1, 'b=c': 2}", "{a: ~}",
    "{name: x}", "{debian: {suite: x}}", "{bakery_a: 1}", "docker://x", "'oci:'", "x@1", "x@", "'@1'", "a@b", "a..b", "a.b-c",
    "{oci: ~}", "{1: x}", "é", "x" * 400,
]  # fmt: skip


def places(node: Node, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    found = [path]
    if isinstance(node, Mapping):
        for number, entry in enumerate(node.entries):
            found += places(entry.value, (*path, number))
    if isinstance(node, Sequence):
        for number, item in enumerate(node.items):
            found += places(item, (*path, number))
    return found


def replaced(node: Node, path: tuple[int, ...], value: Node) -> Node:
    if not path:
        return value
    if isinstance(node, Mapping):
        entries = list(node.entries)
        entry = entries[path[0]]
        entries[path[0]] = Entry(entry.key, replaced(entry.value, path[1:], value))
        return Mapping(tuple(entries), node.line)
    assert isinstance(node, Sequence)
    items = list(node.items)
    items[path[0]] = replaced(items[path[0]], path[1:], value)
    return Sequence(tuple(items), node.line)


NODES = {name: parse(text) for name, text in GOOD.items()}
PLACES = [(name, place) for name, node in NODES.items() for place in places(node)]


def agree(node: Node) -> bool:
    return VALIDATOR.is_valid(instance(node)) == accepted(node)


def test_the_good_files_use_every_key_and_are_accepted() -> None:
    def keys(schema: dict[str, Any]) -> set[str]:
        found = set(schema.get("properties", {}))
        for below in [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]:
            found |= keys(below)
        for below in (schema.get("items"), schema.get("additionalProperties")):
            found |= keys(below) if isinstance(below, dict) else set()
        return found

    text = "".join(GOOD.values())
    assert [key for key in keys(json_schema()) if f"{key}:" not in text] == []
    assert all(accepted(node) and VALIDATOR.is_valid(instance(node)) for node in NODES.values())


@pytest.mark.parametrize("value", VALUES)
def test_schema_and_loader_agree_about_a_value_everywhere(value: str) -> None:
    other = parse(f"a: {value}")
    assert isinstance(other, Mapping)
    wrong = [
        (name, place)
        for name, place in PLACES
        if not agree(replaced(NODES[name], place, other.entries[0].value))
    ]
    assert wrong == []


def without(node: Node, place: tuple[int, ...]) -> Node:
    """``node`` without the key or item at ``place``."""
    assert not isinstance(node, Scalar)
    first, rest = place[0], place[1:]
    if isinstance(node, Mapping):
        entries = list(node.entries)
        entry = entries.pop(first)
        if rest:
            entries.insert(first, Entry(entry.key, without(entry.value, rest)))
        return Mapping(tuple(entries), node.line)
    items = list(node.items)
    item = items.pop(first)
    if rest:
        items.insert(first, without(item, rest))
    return Sequence(tuple(items), node.line)


@pytest.mark.parametrize(("name", "place"), [(name, place) for name, place in PLACES if place])
def test_schema_and_loader_agree_when_a_key_or_item_is_missing(name: str, place: tuple[int, ...]) -> None:
    assert agree(without(NODES[name], place))


def at(node: Node, place: tuple[int, ...]) -> Node:
    for number in place:
        assert not isinstance(node, Scalar)
        node = node.entries[number].value if isinstance(node, Mapping) else node.items[number]
    return node


@given(st.sampled_from(PLACES), st.sampled_from(PLACES))
def test_schema_and_loader_agree_when_parts_change_places(
    target: tuple[str, tuple[int, ...]], source: tuple[str, tuple[int, ...]]
) -> None:
    assert agree(replaced(NODES[target[0]], target[1], at(NODES[source[0]], source[1])))


KEYS = [(name, place) for name, place in PLACES if isinstance(at(NODES[name], place), Mapping)]


@given(st.sampled_from(KEYS), st.text(max_size=12) | st.sampled_from(["x", "X-y", "a b", "bakery_x", "a..b"]))
def test_schema_and_loader_agree_about_every_name_of_a_key(
    where: tuple[str, tuple[int, ...]], key: str
) -> None:
    name, place = where
    node = at(NODES[name], place)
    assert isinstance(node, Mapping)
    renamed = Entry(Scalar(key, key, 1), node.entries[0].value)
    assert agree(replaced(NODES[name], place, Mapping((renamed, *node.entries[1:]), 1)))
