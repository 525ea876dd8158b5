"""Entering namespaces refuses what is not a machine, and reports as the command does."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils import namespaces
from ansible_collections.bakery.images.plugins.module_utils.owner import process_start

FILE = Path(namespaces.__file__)


def test_process_of_this_host_is_refused() -> None:
    start = process_start(os.getpid())
    assert start is not None
    with pytest.raises(namespaces.NamespaceError, match="shares this host's file systems"):
        namespaces.Namespaces(os.getpid(), start)


def test_process_that_is_gone_is_refused() -> None:
    with pytest.raises(namespaces.NamespaceError, match="is gone"):
        namespaces.Namespaces(2**22 + 1, 1)


@pytest.mark.parametrize(
    "words", [[], ["--pid", "1"], ["--pid", "1", "--start", "2", "--"], ["--nonsense", "1", "--", "a"]]
)
def test_command_line_that_makes_no_sense_is_a_sentence(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", FILE, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 125
    assert done.stderr.startswith("bakery: ")
    assert "Traceback" not in done.stderr


def test_it_runs_alone_on_the_standard_library() -> None:
    code = "import sys, runpy; runpy.run_path(sys.argv[1], run_name='x')"
    subprocess.run([sys.executable, "-I", "-S", "-c", code, FILE], check=True)


def test_limits_of_a_process_are_those_the_kernel_tells() -> None:
    limits = dict(namespaces._read_limits(os.getpid()))
    assert limits == {
        number: resource.getrlimit(number) for number in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)
    }
