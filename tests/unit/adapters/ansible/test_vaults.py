"""Vaults that cannot be opened are told before a bake, each with its place; Ansible itself tries them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from bakery.adapters.ansible.vaults import require_open_vaults
from bakery.errors import InputErrors, InterruptedBake, Place
from bakery.model.project import VaultIdentity, VaultSpec, VaultText
from tests.unit.builders import project

PASSWORD = "open sesame"
VALUE = Place("bakery.yml", 7)


class Cancel:
    """Asked to stop from the beginning, or never."""

    def __init__(self, *, asked: bool = False) -> None:
        self._asked = asked

    def requested(self) -> bool:
        return self._asked


def encrypted(text: str, *, vault_id: str | None = None, where: Place = VALUE) -> VaultText:
    lib = VaultLib([("default", VaultSecret(PASSWORD.encode()))])
    return VaultText(lib.encrypt(text, vault_id=vault_id).decode().strip(), where)


@pytest.fixture
def trouble(tmp_path: Path):
    """The sentences about values when the files of the project are the identities, in their order."""

    def ask(*values: VaultText, cancel: Cancel | None = None, **files: str) -> list[str]:
        for name, text in files.items():
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o700 if text.startswith("#!") else 0o600)
        identities = tuple(
            VaultIdentity(f"{tmp_path}/{name}", Place("bakery.yml", 20 + number))
            for number, name in enumerate(files)
        )
        of = replace(project(), root=tmp_path, vault=VaultSpec(identities))
        try:
            require_open_vaults(of, values, cancel=cancel or Cancel())
        except InputErrors as refusal:
            return [str(error) for error in refusal.errors]
        return []

    return ask


def test_what_opens_is_no_trouble(trouble) -> None:
    values = encrypted("a"), encrypted("b", vault_id="prod")
    assert trouble(*values, password=PASSWORD) == []
    assert trouble(*values, client=f"#!/bin/sh\necho '{PASSWORD}'\n") == []
    # Ansible is content with one identity that works.
    assert trouble(*values, broken="#!/bin/sh\nexit 1\n", password=PASSWORD) == []


@pytest.mark.parametrize("label", ["", "prod@"])
def test_a_path_may_have_an_at_sign(tmp_path: Path, label: str) -> None:
    folder = tmp_path / "ws@tmp@2"
    folder.mkdir()
    (folder / "vault@pass").write_text(PASSWORD)
    identity = VaultIdentity(f"{label}{folder}/vault@pass", Place("bakery.yml", 20))
    of = replace(project(), root=tmp_path, vault=VaultSpec((identity,)))
    require_open_vaults(of, (encrypted("a"),), cancel=Cancel())
    (folder / "vault@pass").write_text("guessed")
    with pytest.raises(InputErrors, match=r"cannot be decrypted with the vault password of bakery.yml:20"):
        require_open_vaults(of, (encrypted("a"),), cancel=Cancel())
    (folder / "vault@pass").unlink()
    with pytest.raises(InputErrors, match=r"the vault password file 'ws@tmp@2/vault@pass' "):
        require_open_vaults(of, (encrypted("a"),), cancel=Cancel())


def test_a_wrong_password_is_told_for_each_value(trouble) -> None:
    values = (
        encrypted("a"),
        encrypted("b", vault_id="prod", where=Place("secrets.yml")),
        VaultText("$ANSIBLE_VAULT;1.1;AES256\nzz", Place("vars.yml", 3)),
    )
    assert trouble(*values, password="guessed") == [
        (
            "bakery.yml:7: this value cannot be decrypted with the vault password of bakery.yml:20;"
            " name the password of this vault, or encrypt it again"
        ),
        (
            "secrets.yml: this file cannot be decrypted with the vault password of bakery.yml:20;"
            " name the password of this vault, which was made for the vault id 'prod', or encrypt it again"
        ),
        "vars.yml:3: the encrypted text of this value is damaged; encrypt it again with ansible-vault",
    ]


def test_without_any_password_every_value_is_told(trouble) -> None:
    assert trouble(encrypted("a")) == [
        (
            "bakery.yml:7: this value is encrypted, and bakery.yml says nothing about a vault password;"
            " write vault: {password_file: PATH} under defaults"
        )
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("#!/bin/sh\necho sentinel; exit 3\n", "the vault client 'it' failed with status 3; run it by hand"),
        ("#!/no/such/shell\n", "the vault password file 'it' cannot be run as a program"),
        ("\n", "the vault password file 'it' gives an empty password"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6162\n", "the vault password file 'it' is "),
    ],
)  # fmt: skip
def test_a_password_that_cannot_be_had_is_told_once(trouble, text: str, sentence: str) -> None:
    (said,) = trouble(encrypted("a"), encrypted("b"), it=text)
    assert said.startswith(f"bakery.yml:20: {sentence}")
    assert "sentinel" not in said
    # Ansible refuses to run at all then.
    assert trouble(it=text) == [said]


def test_a_request_to_stop_does_not_wait_for_a_client(trouble) -> None:
    with pytest.raises(InterruptedBake):
        trouble(encrypted("a"), cancel=Cancel(asked=True), client="#!/bin/sh\nsleep 1000\n")
