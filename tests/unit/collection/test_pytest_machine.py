from __future__ import annotations

import sys

import pytest
from ansible_collections.bakery.images.plugins.module_utils.pytest_machine import command_server


@pytest.mark.parametrize(
    "words",
    [
        ["env", "A=b"],
        ["podman", "exec", "--user", "0", "machine"],
        [sys.executable, "-I", "-S", "/somewhere/other.py", "--pid", "1", "--start", "2", "--"],
        [
            sys.executable,
            "-I",
            "-S",
            "/where/no/server/is/enter.py",
            "--pid",
            "1",
            "--start",
            "2",
            "--",
        ],
    ],
)
def test_words_of_any_other_program_have_no_server(words: list[str]) -> None:
    assert command_server(words) is None
