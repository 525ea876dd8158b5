"""The program of the executor: what it may be made of, and which payloads it takes for its own."""

from __future__ import annotations

import ast
import base64
import io
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils import executor_program
from ansible_collections.bakery.images.plugins.module_utils.executor_program import Bundle, compile_modules

FILES = {
    "ansible/__init__.py": b'__version__="1"\n',
    "ansible/module_utils/__init__.py": b"",
    "ansible/module_utils/basic.py": b"BASIC = 1\n",
}
MODULE = {"ansible/modules/ping.py": b"print('pong')\n" * 60, "ansible/modules/__init__.py": b""}


def payload(files: dict[str, bytes]) -> bytes:
    """A wrapper's text with a zip in it, as Ansible makes it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return b"def main(): pass\nmain(zip_data='" + base64.b64encode(packed.getvalue()) + b"', params='{}')\n"


def approve(files: dict[str, bytes]) -> dict[str, bytes] | None:
    bundle = Bundle(FILES)
    encoded = bundle.payload(payload(files))
    assert encoded
    return bundle.approve(encoded)


@pytest.fixture(scope="module")
def tree() -> ast.Module:
    """As the oldest Python that Ansible supports on targets reads it."""
    source = Path(executor_program.__file__).read_text(encoding="utf-8")
    return ast.parse(source, feature_version=(3, 8))


def test_program_needs_the_standard_library_only(tree: ast.Module) -> None:
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
    }
    assert imported <= sys.stdlib_module_names


def test_annotations_are_not_evaluated(tree: ast.Module) -> None:
    """Python 3.8 has no ``dict[str, int]``."""
    first = next(node for node in tree.body if isinstance(node, ast.ImportFrom))
    assert (first.module, first.names[0].name) == ("__future__", "annotations")


def test_payload_with_our_module_utils_is_approved() -> None:
    assert approve({**FILES, **MODULE}) == MODULE


@pytest.mark.parametrize(
    "other",
    [
        {"ansible/__init__.py": b'__version__="2"\n'},
        {"ansible/module_utils/basic.py": b"BASIC = 2\n"},
        {"ansible/module_utils/added.py": b""},
        {"ansible/module_utils/__init__.py": b"import os\n"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_payload_with_other_module_utils_is_not(other: dict[str, bytes]) -> None:
    assert approve({**FILES, **MODULE, **other}) is None


def test_payload_need_not_carry_all_module_utils() -> None:
    assert approve({"ansible/__init__.py": FILES["ansible/__init__.py"], **MODULE}) == MODULE


@pytest.mark.parametrize("source", [b"print(1)\n", payload(MODULE) + payload(MODULE), b""])
def test_what_is_no_payload_or_two_is_not_one(source: bytes) -> None:
    assert Bundle(FILES).payload(source) is None


def test_modules_are_compiled_by_their_dotted_names() -> None:
    codes = compile_modules(
        {"a/b.py": "x = 1", "a/c/__init__.py": "y = 2", "a/bad.py": "(", "a/data.txt": "z"}
    )
    assert sorted(codes) == ["a.b", "a.c"]
