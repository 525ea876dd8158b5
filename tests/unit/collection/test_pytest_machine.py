from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils import namespaces
from ansible_collections.bakery.images.plugins.module_utils.pytest_machine import way_in


@pytest.mark.parametrize(
    "words",
    [
        ["env", "A=b"],
        ["podman", "exec", "--user", "0", "machine"],
        [sys.executable, "-I", "-S", "/somewhere/other.py", "--pid", "1", "--start", "2", "--"],
    ],
)
def test_words_of_any_other_program_go_before_each_command(words: list[str]) -> None:
    assert way_in(words) == (words, {})


@pytest.mark.e2e
def test_namespaces_are_entered_without_another_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with subprocess.Popen(["unshare", "--mount", "sleep", "60"]) as machine:
        try:
            theirs = Path(f"/proc/{machine.pid}/ns/mnt")
            while theirs.samefile("/proc/self/ns/mnt"):
                pass
            start = namespaces._start_time(machine.pid)
            enter = tmp_path / "enter.py"
            enter.write_text(inspect.getsource(namespaces))
            words = [sys.executable, "-I", "-S", str(enter), "--pid", str(machine.pid), "--start", str(start)]
            prefix, options = way_in([*words, "--env", "COLOUR=red", "--"])
            script = 'readlink /proc/$$/ns/mnt; echo "$COLOUR $TERM"'
            done = subprocess.run(
                [*prefix, "/bin/sh", "-c", script], capture_output=True, text=True, check=True, **options
            )
            inside = str(theirs.readlink())
        finally:
            machine.kill()
    assert prefix == []
    assert done.stdout.splitlines() == [inside, "red xterm"]
