"""What is encrypted in a file is found wherever it stands, and is what Ansible would be given."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
import yaml

from bakery.load.sealed_texts import sealed_below, sealed_texts

TEXT = "$ANSIBLE_VAULT;1.1;AES256\n" + "\n".join(("61623132" * 10, "3334" * 20, "6162"))
LABELLED = TEXT.replace("1.1;AES256", "1.2;AES256;prod")
INDENTED = TEXT.replace("\n", "\n        ")

WRITTEN = {
    "a whole file": f"{TEXT}\n",
    "a whole file with CRLF": f"{TEXT}\n".replace("\n", "\r\n"),
    "a block of YAML": f"password: !vault |\n        {INDENTED}\nother: 1\n",
    "a block of YAML, stripped": f"- name: x\n  vars:\n    p: !vault |-\n        {INDENTED}\n",
    "double quotes of YAML": yaml.safe_dump({"p": TEXT}, default_style='"', width=10**6),
    "JSON": json.dumps({"p": {"__ansible_vault": TEXT + "\n"}}),
    "a template": f"{{{{ '{json.dumps(TEXT)[1:-1]}' | unvault }}}}",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_an_encrypted_text_is_found(name: str) -> None:
    (found,) = sealed_texts(WRITTEN[name].encode(), Path("x.yml"))
    assert found.ciphertext == TEXT


def test_every_text_is_found_with_its_line() -> None:
    blocks = (textwrap.indent(text, "    ") for text in (TEXT, LABELLED))
    content = "".join(f"name: !vault |\n{block}\n" for block in blocks)
    first, second = sealed_texts(content.encode(), Path("x.yml"))
    assert (first.ciphertext, second.ciphertext) == (TEXT, LABELLED)
    assert [one.where.line for one in (first, second) if one.where] == [2, 7]


def test_a_header_alone_is_nothing() -> None:
    assert sealed_texts(b"see $ANSIBLE_VAULT;1.1;AES256 in the manual\n", Path("x")) == ()


def test_a_tree_is_looked_through_and_what_is_no_text_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "key.pem").write_text(f"{TEXT}\n")
    (tmp_path / "binary").write_bytes(b"\0\xff$ANSIBLE_VAULT;\0")
    assert [one.ciphertext for one in sealed_below(tmp_path)] == [TEXT]
