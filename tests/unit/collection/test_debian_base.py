"""The command line that makes a Debian base."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.debian_base import (
    DebianSpec,
    make_tree,
    tool_environment,
    trust_keyring,
)
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


@pytest.mark.parametrize(
    ("content", "ending"), [(b"\x99\x01", "gpg"), (b"\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "asc")]
)
def test_apt_in_the_base_trusts_the_keyring_and_knows_no_path_of_this_host(
    tmp_path: Path, content: bytes, ending: str
) -> None:
    keyring, sources = tmp_path / "k.gpg", tmp_path / "tree/etc/apt/sources.list"
    keyring.write_bytes(content)
    sources.parent.mkdir(parents=True)
    sources.write_text(f'deb [signed-by="{keyring}"] http://example.org/debian bookworm main\n')
    trust_keyring(str(keyring), str(tmp_path / "tree"))
    trusted = tmp_path / f"tree/etc/apt/trusted.gpg.d/bakery-base.{ending}"
    assert (trusted.read_bytes(), trusted.stat().st_mode & 0o777) == (content, 0o644)
    assert sources.read_text() == "deb http://example.org/debian bookworm main\n"


def test_temporary_files_of_a_base_are_in_the_machine_that_is_swept(tmp_path: Path) -> None:
    tree = tmp_path / "machines/m/tree"
    assert Path(tool_environment(str(tree))["TMPDIR"]).parent == tree.parent
