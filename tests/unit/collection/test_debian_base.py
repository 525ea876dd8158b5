"""The command line that makes a Debian base."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.debian_base import DebianSpec, make_tree
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure


def test_mmdebstrap_knows_its_keyring_and_mirror_unless_they_are_given() -> None:
    command = DebianSpec.from_wire({"suite": "bookworm", "keyring": None, "mirror": None}).command("/tree")
    assert command[-2:] == ["bookworm", "/tree"]
    assert not any(word.startswith("--keyring") for word in command)


def test_a_keyring_and_a_mirror_are_handed_to_mmdebstrap() -> None:
    spec = DebianSpec.from_wire({"suite": "sid", "keyring": "/k.gpg", "mirror": "https://example.org/debian"})
    assert "--keyring=/k.gpg" in spec.command("/tree")
    assert spec.command("/tree")[-1] == "https://example.org/debian"


def test_a_keyring_that_does_not_exist_is_a_sentence(tmp_path: Path) -> None:
    spec = DebianSpec("bookworm", keyring=str(tmp_path / "k.gpg"))
    with pytest.raises(MachineFailure, match=r"k\.gpg does not exist"):
        make_tree(spec, str(tmp_path / "tree"))
