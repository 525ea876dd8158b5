from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bakery.errors import Place
from bakery.model.fingerprint import fingerprint_variables
from bakery.model.project import RoleUse, VaultText
from bakery.variables import ValueFacts, visible_variables


def use(
    own: Mapping[str, Any] | None = None, shared: Mapping[str, Any] | None = None, *files: str
) -> RoleUse:
    return RoleUse(
        name="web",
        version=None,
        vars=own or {},
        set_vars=shared or {},
        vars_files=tuple(Path(file) for file in files),
        inputs=(),
        origin="web",
        where=Place("bakery.yml", 1),
    )


SHARED = {
    "port": 80,
    "url": "http://{{ host }}:{{ port }}/",
    "host": "{{ name }}.example.com",
    "name": "web",
    "unused": 1,
    "deep": {"a": [{"b": "{{ hidden }}"}]},
    "hidden": 2,
    "circle": "{{ round }}",
    "round": "{{ circle }}",
}


@pytest.mark.parametrize(
    ("own", "names", "seen"),
    [
        ({}, set(), set()),
        ({}, {"port", "nginx", "tasks"}, {"port"}),
        ({}, {"url"}, {"url", "host", "name", "port"}),
        ({}, {"deep"}, {"deep", "hidden"}),
        ({}, {"circle"}, {"circle", "round"}),
        ({"own": "x"}, set(), {"own"}),
        ({"own": ["{{ host }}"]}, set(), {"own", "host", "name"}),
        ({"own": {"{{ port }}": 1}}, set(), {"own", "port"}),
    ],
)
def test_a_variable_counts_if_its_name_occurs(own: dict[str, Any], names: set[str], seen: set[str]) -> None:
    assert set(visible_variables(use(own, SHARED), names, None, {})) == seen


def test_a_dynamic_role_sees_everything() -> None:
    assert set(visible_variables(use({"own": 1}, SHARED), set(), "web/tasks/main.yml:1: vars[", {})) == {
        "own",
        *SHARED,
    }


def test_what_ansible_itself_reads_always_counts() -> None:
    shared = {"ansible_python_interpreter": "{{ python }}", "python": "/usr/bin/python3", "other": 1}
    assert set(visible_variables(use({}, shared), set(), None, {})) == {
        "ansible_python_interpreter",
        "python",
    }


def test_own_variables_win_over_files_over_the_sets_variables() -> None:
    files = {"/a.yml": {"a": "file", "b": "file", "c": "file"}, "/b.yml": {"c": "later file"}}
    one = use({"a": "own"}, {"a": "set", "b": "set", "c": "set", "d": "set"}, "/a.yml", "/b.yml")
    assert visible_variables(one, {"a", "b", "c", "d"}, None, files) == {
        "a": "own",
        "b": "file",
        "c": "later file",
        "d": "set",
    }


def test_a_value_that_was_overridden_does_not_count() -> None:
    assert visible_variables(use({"a": "own"}, {"a": "{{ b }}", "b": 1}), {"a"}, None, {}) == {"a": "own"}


def test_an_encrypted_value_that_counts_makes_everything_count() -> None:
    shared = {"password": VaultText("x"), "other": 1}
    assert set(visible_variables(use({}, shared), {"password"}, None, {})) == {"password", "other"}
    assert set(visible_variables(use({}, shared), {"other"}, None, {})) == {"other"}
    assert set(visible_variables(use({"own": [VaultText("x")]}, shared), set(), None, {})) == {"own", *shared}


def test_an_encrypted_file_always_counts() -> None:
    files = {"/plain.yml": {"a": 1}, "/secret.yml": {"": VaultText("x")}}
    one = use({}, {"b": 2}, "/plain.yml", "/secret.yml")
    assert visible_variables(one, set(), None, files) == {"a": 1, "b": 2, "vars_files[1]": VaultText("x")}


def test_the_order_is_always_the_same() -> None:
    assert list(visible_variables(use({"z": 1}, {"b": 1, "a": 1}), {"a", "b"}, None, {})) == ["a", "b", "z"]


class Counted(dict[str, Any]):
    """A mapping that counts how often it is looked through."""

    looks = 0

    def items(self) -> Any:
        self.looks += 1
        return super().items()

    def values(self) -> Any:
        self.looks += 1
        return super().values()


def test_a_value_is_looked_through_once_for_all_roles_of_a_plan() -> None:
    """Large nested values that many roles share made a plan take seconds."""
    value = Counted({"text": "{{ other }}"})
    facts = ValueFacts()
    seen = [
        visible_variables(use({}, {"big": value, "other": 1}), {"big"}, None, {}, facts=facts)
        for _ in range(3)
    ]
    digests = [facts.digests(b"k", one) for one in seen]
    assert value.looks == 3  # for its names, for what is encrypted in it, for its digest
    assert digests == [fingerprint_variables(b"k", seen[0])] * 3


def test_equal_values_that_change_places_are_not_taken_for_one_another() -> None:
    facts = ValueFacts()
    for number in range(1000):  # most are made where the last one was
        assert facts.names([f"name{number}"]) == {f"name{number}"}
        assert facts.digests(b"k", {"a": [number]}) == fingerprint_variables(b"k", {"a": [number]})
