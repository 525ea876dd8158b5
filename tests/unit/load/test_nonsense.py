"""Whatever a file holds, the answer is a project or sentences, never a traceback, and it comes quickly."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bakery.errors import InputError, InputErrors
from bakery.load.project import load_project
from bakery.load.roles import load_role
from bakery.load.vars_files import load_vars_file
from tests.unit.load.conftest import TARGETS

SAMPLE = (Path(__file__).parents[3] / "bakery.yml").read_bytes()
HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def sentences(file: Path, content: bytes) -> list[str]:
    """What loading a project file with this content answers; nothing if it is a project."""
    file.write_bytes(content)
    try:
        load_project(file, targets=TARGETS)
    except InputErrors as error:
        return [str(one) for one in error.errors]
    return []


def well_formed(found: list[str]) -> bool:
    return all(one.startswith("bakery.yml") and one.isprintable() and len(one) < 1000 for one in found)


@HERE
@given(st.binary(max_size=400))
def test_random_bytes(root: Path, content: bytes) -> None:
    found = sentences(root / "bakery.yml", content)
    assert found
    assert well_formed(found)


@HERE
@given(st.randoms(use_true_random=False), st.integers(1, 8))
def test_a_damaged_project(root: Path, chance: random.Random, times: int) -> None:
    content = bytearray(SAMPLE)
    for _ in range(times):
        place = chance.randrange(len(content))
        match chance.randrange(4):
            case 0:
                content[place] = chance.randrange(256)
            case 1:
                del content[place : place + chance.randrange(40)]
            case 2:
                content[place:place] = chance.choice(
                    [b"\t", b"- ", b": ", b"[", b"{", b"'", b"&a ", b"*a", b"!x ", b"\n"]
                )
            case _:
                content[place:place] = content[place : place + chance.randrange(80)]
    assert well_formed(sentences(root / "bakery.yml", bytes(content)))


NONSENSE = {
    "random bytes": random.Random(1).randbytes(10_000_000),
    "zeros": bytes(10_000_000),
    "letters": b"x" * 4_900_000,
    "words": b"lorem ipsum " * 400_000,
    "lines": b"lorem: ipsum\n" * 370_000,
    "keys": b"".join(b"key%d: 1\n" % number for number in range(300_000)),
    "list": b"- x\n" * 1_200_000,
    "brackets": b"[" * 4_900_000,
    "braces": b"{" * 4_900_000,
    "brackets in lines": b"[\n" * 2_400_000,
    "dashes": b"- " * 2_400_000,
    "question marks": b"? " * 2_400_000,
    "quotes": b'"' * 4_900_000,
    "open quote": b'a: "' + b"x\n" * 2_400_000,
    "anchors": b"".join(b"- &a%d x\n" % number for number in range(300_000)),
    "aliases": b"- &a x\n" + b"- *a\n" * 900_000,
    "documents": b"---\n" * 1_200_000,
    "directives": b"%" * 4_900_000,
    "exclamation marks": b"!" * 4_900_000,
    "ampersands": b"&" * 4_900_000,
    "digits": b"1" * 4_900_000,
    "colons": b"1:" * 2_400_000 + b"1",
    "spaces": b" " * 4_900_000 + b"a: 1",
    "line feeds": b"\n" * 4_900_000,
    "comment": b"#" * 4_900_000,
    "block scalar": b"a: |\n" + b" x\n" * 1_600_000,
    "role sets": b"version: 1\nrole_sets:\n"
    + b"".join(b"  s%d: {base: b, roles: [r]}\n" % n for n in range(20_000)),
    "wrong sets": b"version: 1\nrole_sets:\n" + b"".join(b"  s%d: 1\n" % number for number in range(200_000)),
    "chain": b"version: 1\nrole_sets:\n"
    + b"".join(b"  s%d: {from: s%d}\n" % (n, n + 1) for n in range(2_000)),
    "long name": b"version: 1\nrole_sets:\n  "
    + b"a-" * 60
    + b"a: {base: "
    + b"b" * 1_000_000
    + b", roles: [r]}\n",
}


@pytest.mark.parametrize("content", NONSENSE.values(), ids=NONSENSE.keys())
def test_megabytes_of_nonsense(root: Path, content: bytes) -> None:
    found = sentences(root / "bakery.yml", content)
    assert found
    assert len(found) < 60
    assert well_formed(found)


@HERE
@given(st.binary(max_size=300))
def test_a_file_of_variables_may_hold_anything(root: Path, content: bytes) -> None:
    (root / "vars.yml").write_bytes(content)
    try:
        assert isinstance(load_vars_file(root / "vars.yml"), dict)
    except (InputError, InputErrors) as error:
        assert str(error)  # noqa: PT017 - either outcome is right


@HERE
@given(
    st.binary(max_size=300), st.sampled_from(["tasks/main.yml", "meta/main.yml", "VERSION", "templates/x"])
)
def test_a_role_may_hold_anything(root: Path, content: bytes, path: str) -> None:
    for folder in ("tasks", "meta", "templates"):
        (root / "roles/web" / folder).mkdir(parents=True, exist_ok=True)
    for other in ("tasks/main.yml", "meta/main.yml", "VERSION", "templates/x"):
        (root / "roles/web" / other).write_bytes(b"")
    prefix = b"- include_role: " if path == "tasks/main.yml" else b"dependencies: " if "meta" in path else b""
    (root / "roles/web" / path).write_bytes(prefix + content)
    try:
        assert load_role("web", (root / "roles",)).names is not None
    except (InputError, InputErrors) as error:
        assert str(error)  # noqa: PT017 - either outcome is right
