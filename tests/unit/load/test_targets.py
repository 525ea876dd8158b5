"""What a project says of its targets, in the forms that the targets bring."""

from __future__ import annotations

from collections.abc import Callable

import jsonschema
import pytest

from bakery.errors import InputErrors
from bakery.load.project import load_project
from bakery.load.schema import json_schema
from bakery.model.project import Project
from bakery.model.target import TargetKind
from tests.unit.load.conftest import BASES, Write

Read = Callable[[str], Project]
SIZE = {"type": "integer", "noun": "GiB", "example": "10", "minimum": 1, "maximum": 99, "help": "Its size."}
DISK = {
    "type": "record",
    "example": "disk: {size: 10}",
    "keys": {
        "size": {**SIZE, "required": True},
        "kind": {"type": "choice", "values": ["fast", "slow"], "help": "Kind of disk.", "default": "fast"},
        "locked": {"type": "boolean", "help": "Whether it is encrypted."},
    },
}
OPTIONS = {
    "type": "record",
    "example": "cloud: {zones: [a]}",
    "help": "How the cloud makes images.",
    "keys": {
        "image": {
            "type": "record",
            "example": "image: {disk: {size: 10}}",
            "help": "The image.",
            "keys": {"disk": {**DISK, "help": "The disk."}},
        },
        "zones": {
            "type": "list",
            "noun": "zones",
            "example": "[a, b]",
            "items": {"type": "text", "noun": "a zone", "example": "a", "pattern": "^[a-z]$"},
            "help": "Where machines may be launched.",
        },
        "copies": {
            "type": "map",
            "noun": "copies",
            "example": "{b: {}}",
            "values": {"type": "record", "example": "{}", "keys": {}},
            "help": "Where else the image goes.",
        },
    },
}
SNAPSHOT = {
    "type": "text",
    "noun": "a snapshot",
    "example": "snap-1",
    "help": "One.",
    "pattern": "^snap-[0-9]$",
}
CLOUD = TargetKind("cloud", frozenset(), ("snapshot",), {"snapshot": SNAPSHOT}, OPTIONS)
TARGETS = (TargetKind("container", frozenset(), BASES), CLOUD)
ROLE_SETS = "role_sets: {web: {base: deb, roles: [common], targets: [container, cloud]}}\n"
BOTH = f"version: 1\nbases:\n  deb: {{debian: {{suite: bookworm}}, snapshot: snap-7}}\n{ROLE_SETS}"


@pytest.fixture
def read(write: Write) -> Read:
    write("roles/common/tasks/main.yml", "---\n")
    return lambda text: load_project(write("bakery.yml", text), targets=TARGETS)


def refused(read: Read, text: str) -> list[str]:
    with pytest.raises(InputErrors) as caught:
        read(text)
    return [str(error) for error in caught.value.errors]


def test_a_base_has_a_recipe_for_each_kind_of_target(read: Read) -> None:
    project = read(BOTH)
    used = {target: project.base("deb", target) for target in ("container", "cloud")}
    assert {target: base.kind for target, base in used.items()} == {
        "container": "debian",
        "cloud": "snapshot",
    }
    assert used["cloud"].options == "snap-7"


def test_options_are_plain_values(read: Read) -> None:
    options = "{image: {disk: {size: 20, locked: true}}, zones: [a, b], copies: {x: {}}}"
    project = read(f"{BOTH}targets: {{cloud: {options}}}\n")
    assert project.targets["cloud"].options == {
        "image": {"disk": {"size": 20, "locked": True}},
        "zones": ["a", "b"],
        "copies": {"x": {}},
    }
    assert project.targets["cloud"].of_image == {"disk": {"size": 20, "locked": True}}
    assert project.targets["container"].options == {}


def test_mistakes_in_options_have_their_line_and_what_was_meant(read: Read) -> None:
    wrong = "targets:\n  cloud:\n    zone: [a]\n    image: {disk: {size: 0, kind: fats}}\n  clod: {}\n"
    assert "\n".join(refused(read, BOTH + wrong)) == (
        "bakery.yml:7: the key 'zone' is unknown in targets.cloud; did you mean 'zones'?\n"
        "bakery.yml:8: targets.cloud.image.disk.size must be GiB, not the number 0; write 10\n"
        "bakery.yml:8: targets.cloud.image.disk.kind must be one of fast, slow, not the text 'fats'; "
        "did you mean 'fast'?\n"
        "bakery.yml:9: the key 'clod' is unknown in targets; did you mean 'cloud'?"
    )


def test_a_wrong_recipe_is_one_mistake(read: Read) -> None:
    assert refused(read, BOTH.replace("snap-7", "snop")) == [
        "bakery.yml:3: bases.deb.snapshot must be a snapshot, not the text 'snop'; write snap-1"
    ]


def test_a_base_without_a_recipe_for_a_target_is_told(read: Read) -> None:
    text = f"version: 1\nbases:\n  deb: {{debian: {{suite: bookworm}}}}\n{ROLE_SETS}"
    assert refused(read, text) == [
        "bakery.yml:3: base 'deb' has no recipe for the target 'cloud' of role set 'web'; add snapshot to it"
    ]


def test_a_base_has_one_recipe_for_containers(read: Read) -> None:
    text = BOTH.replace("snapshot: snap-7", "snapshot: snap-7, oci: 'docker://debian:12'")
    assert refused(read, text) == ["bakery.yml:3: bases.deb has both 'debian' and 'oci'; keep one of them"]


def test_a_project_without_configurable_targets_has_no_section_for_them(write: Write) -> None:
    write("roles/common/tasks/main.yml", "---\n")
    text = BOTH.replace(", snapshot: snap-7", "").replace(", cloud]", "]") + "targets: {}\n"
    with pytest.raises(InputErrors, match="the key 'targets' is unknown here"):
        load_project(write("bakery.yml", text), targets=TARGETS[:1])


def test_the_schema_has_what_targets_bring() -> None:
    schema = json_schema(TARGETS)
    jsonschema.Draft7Validator.check_schema(schema)
    cloud = schema["properties"]["targets"]["anyOf"][0]["properties"]["cloud"]
    assert cloud["properties"].keys() == {"image", "zones", "copies"}
    base = schema["properties"]["bases"]["anyOf"][0]["additionalProperties"]
    assert "snapshot" in base["properties"]
