from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from ansible_collections.bakery.images.plugins.module_utils import ssh_login
from ansible_collections.bakery.images.plugins.module_utils.ssh_login import (
    SshMaster,
    SshWay,
    entry_words,
    parse_words,
)

WAY = SshWay("10.0.0.1", 2222, "root", "/m/id", "/m/known", "ssh -W %h:%p -- jump")


def test_the_words_of_a_way_lead_there() -> None:
    entry = parse_words([*entry_words(WAY, {"A": "b=c", "D": ""}), "--", "echo", "--", "x"])
    assert (entry.way, entry.environment, entry.terminal) == (WAY, {"A": "b=c", "D": ""}, False)
    assert entry.command == ["echo", "--", "x"]


def test_a_way_without_a_proxy_has_none() -> None:
    way = WAY._replace(proxy_command=None)
    assert parse_words([*entry_words(way, {}), "--terminal", "--"]).way == way
    assert parse_words([*entry_words(way, {}), "--terminal", "--"]).terminal


def test_words_arrive_in_the_machine_as_they_are() -> None:
    entry = parse_words([*entry_words(WAY, {"A": "it's"}), "--"])
    words = ["printf", "%s|", "a b", "", "$HOME", "'\"", "two\nlines"]
    done = subprocess.run(["/bin/sh", "-c", entry.line(words)], capture_output=True, text=True, check=True)
    assert done.stdout == "a b||$HOME|'\"|two\nlines|"
    environment = subprocess.run(
        ["/bin/sh", "-c", entry.line(["sh", "-c", 'echo "$A"'])], capture_output=True, text=True, check=True
    )
    assert environment.stdout == "it's\n"


def test_an_end_by_a_signal_is_told_as_a_shell_tells_it() -> None:
    entry = parse_words([*entry_words(WAY, {}), "--"])
    line = entry.line(["sh", "-c", "kill -9 $$"])
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False)
    assert done.returncode == 137


def test_whoever_is_not_root_becomes_root() -> None:
    entry = parse_words([*entry_words(WAY._replace(user="admin"), {}), "--"])
    words = shlex.split(entry.line(["true"]))
    assert words[-5:] == ["sudo", "--non-interactive", "--", "env", "true"]


def test_host_keys_are_strict_and_nothing_of_the_user_plays_a_part(tmp_path: Path) -> None:
    words = SshMaster(WAY, str(tmp_path)).client("true")
    for option in ("StrictHostKeyChecking=yes", "IdentityAgent=none", "ForwardAgent=no", "RequestTTY=no"):
        assert option in words
    assert words[:3] == ["ssh", "-F", "none"]
    assert "RequestTTY=force" in SshMaster(WAY, str(tmp_path)).client("true", terminal=True)


def test_the_program_runs_on_its_own(tmp_path: Path) -> None:
    program = tmp_path / "enter.py"
    program.write_text(Path(ssh_login.__file__).read_text())
    words = [sys.executable, "-I", "-S", program]
    done = subprocess.run([*words, "--host", "h", "--", "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "Traceback" not in done.stderr
