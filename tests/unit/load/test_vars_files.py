# ruff: noqa: E501 - tables

from __future__ import annotations

from typing import Any

import pytest

from bakery.errors import InputError, InputErrors, Place
from bakery.load.vars_files import load_vars_file
from bakery.model.project import VaultText
from tests.unit.load.conftest import Write

VAULTED = "$ANSIBLE_VAULT;1.1;AES256\n6162\n6364\n"


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {}),
        ("---\n# nothing\n", {}),
        ("a: 1\nb: {c: [x]}", {"a": 1, "b": {"c": ["x"]}}),
        ('{"a": 1.5, "b": null}', {"a": 1.5, "b": None}),
        ("a: {80: http, true: x}", {"a": {80: "http", True: "x"}}),
        ("a: !unsafe '{{ x }}'", {"a": {"!unsafe": "{{ x }}"}}),
        (
            "a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n",
            {"a": VaultText("$ANSIBLE_VAULT;1.1;AES256\n6162")},
        ),
        (VAULTED, {"": VaultText("$ANSIBLE_VAULT;1.1;AES256\n6162\n6364")}),
        (VAULTED.replace("\n", "\r\n"), {"": VaultText("$ANSIBLE_VAULT;1.1;AES256\n6162\n6364")}),
    ],
)
def test_variables(text: str, variables: dict[str, Any], write: Write) -> None:
    assert load_vars_file(write("vars.yml", text)) == variables


def test_an_encrypted_value_knows_its_place(write: Write) -> None:
    inline = load_vars_file(write("inline.yml", "---\na:\n  - !vault |\n    x\n"))
    whole = load_vars_file(write("whole.yml", VAULTED))
    assert (inline["a"][0].where, whole[""].where) == (Place("inline.yml", 3), Place("whole.yml"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[a]", "vars.yml:1: a file of variables must be a mapping, not a list; write name: value"),
        ("a", "vars.yml:1: a file of variables must be a mapping, not the text 'a'; write name: value"),
        ("a: 1\na: 2", "vars.yml:2: the key 'a' is given twice; the first is on line 1; remove one"),
        ("a: 1\n'': 2", "vars.yml:2: a variable has no name; write name: value"),
        (
            "a: [",
            "vars.yml:1: a value is missing here, or a bracket opens or closes alone; complete it, or put the text in quotes",
        ),
    ],
)
def test_mistakes(text: str, sentence: str, write: Write) -> None:
    with pytest.raises(InputErrors) as caught:
        load_vars_file(write("vars.yml", text))
    assert str(caught.value) == sentence


def test_a_directory_is_a_sentence(write: Write) -> None:
    directory = write("vars/x.yml", "").parent
    with pytest.raises(InputError, match="vars: this is a directory, not a file"):
        load_vars_file(directory)
