"""A task gives the same result through the warm executor as through a Python of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.machines import Machines

pytestmark = pytest.mark.slow

PLAY = "both_paths"
PATHS = {"warm": "on", "ordinary": "off"}
MUCH = 50_000_000
# What differs between two machines, or two moments, whatever runs the task.
VOLATILE = frozenset(
    {
        "start", "end", "delta", "atime", "mtime", "ctime", "inode", "dev", "_ansible_no_log", "version_id",
        "ansible_job_id", "results_file", "backup", "backup_file", "attempts", "cache_update_time", "src",
        "size", "stdout_lines", "stderr_lines", "started", "finished", "elapsed", "_original_basename",
        "ControlGroup", "ExecMainPID", "MainPID", "InvocationID", "ExecStart", "ExecStartEx",
    }
)  # fmt: skip
VOLATILE_FACTS = re.compile(
    r"ansible_(all_ipv4_addresses|all_ipv6_addresses|date_time|default_ipv4|device_links|devices|eth\d|hostnqn|"
    r"interfaces|lo|loadavg|memfree_mb|memory_mb|mounts|processor.*|swapfree_mb|uptime_seconds|proc_cmdline|"
    r"cmdline|product_uuid|machine_id|locally_reachable_ips|ssh_host_key.*|env)"
)
# Units in no order (systemctl(1)).
UNORDERED = frozenset({"After", "Before", "Requires", "Wants"})
# What a package manager says of where it got a package from: the second machine finds it in the cache.
TALKATIVE = "A package"
NUMBERS = (
    (re.compile(r"/tmp/ansible_[\w.]+_payload_\w+/ansible_[\w.]+_payload\.zip"), "PAYLOAD"),
    (re.compile(r"(ansible_[\w.]+_payload_)\w+"), r"\1"),
    (re.compile(r"\.ansible_tmp\w{8}"), "TMP"),
    (re.compile(r"ansible-tmp-[\d.]+-\d+-\d+"), "TMP"),
    (re.compile(r"ansible-(tmp|moduletmp|local)-[\w.-]+"), "TMP"),
    (re.compile(r"/tmp/ansible\w*[._-]\w+"), "TMP"),
    (re.compile(r"/(tmp|root|srv|run)/[\w./-]*?tmp\w{6,10}\b"), "TMP"),
    (re.compile(r"\b(\d{10})(\.\d+)?\b"), "TIME"),
    (re.compile(r"\.\d+\.\d{4}-\d\d-\d\d@[\d:]+~"), "BACKUP"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T@]\d\d:\d\d:\d\d[~.\d]*"), "TIME"),
    (re.compile(r"0x[0-9a-f]{6,}"), "ADDRESS"),
    (re.compile(r"systemd-private-\S+"), "PRIVATE"),
)


@pytest.fixture(scope="module")
def told(machines: Machines, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By path: what every task came to, in order, and all that Ansible said."""
    directory = tmp_path_factory.mktemp(PLAY)
    much = directory / "much"
    much.write_bytes(bytes(range(256)) * (MUCH // 256))
    machines.launch("path-first")  # the others then find package lists of the same age
    runs: dict[str, Any] = {}
    for path, executor in PATHS.items():
        machine = machines.launch(f"path-{path}")
        done = machine.play(
            repository / "tests" / "fixtures" / PLAY / "play.yml",
            environment={"BAKERY_EXECUTOR": executor, "TOLD": str(directory / path)},
            variables={"much": str(much)},
        )
        lines = (directory / path).read_text().splitlines()
        runs[path] = {
            "results": [json.loads(line) for line in lines],
            "output": done.stdout + done.stderr,
            "back": (directory / "much.back").read_bytes() == much.read_bytes(),
            "leftovers": set(steady(machine.changed_files())),
        }
        (directory / "much.back").unlink()
    return runs


def results(run: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for one in run["results"]:
        result = steady(one["result"])
        if one["task"] == TALKATIVE:
            del result["stdout"]
        yield one["task"], one["status"], result


def steady(value: Any) -> Any:
    """A result without what is never the same twice."""
    if isinstance(value, dict):
        return {
            name: sorted(member.split()) if name in UNORDERED else steady(member)
            for name, member in value.items()
            if name not in VOLATILE and not VOLATILE_FACTS.fullmatch(name)
        }
    if isinstance(value, list):
        return [steady(member) for member in value]
    if isinstance(value, str):
        for pattern, word in NUMBERS:
            value = pattern.sub(word, value)
    return value


def test_every_task_comes_to_the_same(told: dict[str, Any]) -> None:
    warm, ordinary = (list(results(told[path])) for path in PATHS)
    different = [(one, other) for one, other in zip(warm, ordinary, strict=True) if one != other]
    assert not different


def test_the_play_succeeds_and_fails(told: dict[str, Any]) -> None:
    statuses = [one["status"] for one in told["warm"]["results"]]
    assert statuses.count("ok") > 50
    assert statuses.count("failed") > 5
    assert statuses.count("item failed") > 5


def test_only_one_of_them_used_the_executor(told: dict[str, Any]) -> None:
    warm, ordinary = (told[path]["output"] for path in PATHS)
    assert warm.count(" EXECUTOR python") > 50
    assert " EXECUTOR " not in ordinary


def test_what_the_executor_may_not_do_took_the_ordinary_path(told: dict[str, Any]) -> None:
    """Other users, background jobs, settings that matter to a Python that starts, another interpreter."""
    assert "ordinary path: it wants another interpreter" in told["warm"]["output"]
    for task in ("As the user", "A background job", "What a module finds in another locale"):
        part = told["warm"]["output"].partition(f"TASK [{task}]")[2].partition("TASK [")[0]
        assert "ordinary path: the command is not one for the executor" in part, task


def test_fifty_megabytes_come_back_as_they_went(told: dict[str, Any]) -> None:
    assert told["warm"]["back"]
    assert told["ordinary"]["back"]


def test_both_paths_leave_the_same_files(told: dict[str, Any]) -> None:
    assert told["warm"]["leftovers"] == told["ordinary"]["leftovers"]


def test_nothing_was_said_of_a_fault(told: dict[str, Any]) -> None:
    assert "tasks run slower" not in told["warm"]["output"]
