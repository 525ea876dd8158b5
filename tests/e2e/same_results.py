"""The play of fixtures/both_paths, run twice: what every task came to, without what is never the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.e2e.machines import Machine

PLAY = Path(__file__).parent.parent / "fixtures" / "both_paths" / "play.yml"
MUCH = 50_000_000
# What differs between two machines, or two moments, whatever runs the task.
VOLATILE = frozenset(
    {
        "start", "end", "delta", "atime", "mtime", "ctime", "inode", "dev", "_ansible_no_log", "version_id",
        "ansible_job_id", "results_file", "backup", "backup_file", "attempts", "cache_update_time", "src",
        "size", "stdout_lines", "stderr_lines", "started", "finished", "elapsed", "_original_basename",
        "ControlGroup", "ExecMainPID", "MainPID", "InvocationID", "ExecStart", "ExecStartEx", "SSH_CLIENT",
        "SSH_CONNECTION",
    }
)  # fmt: skip
VOLATILE_FACTS = re.compile(
    r"ansible_(all_ipv4_addresses|all_ipv6_addresses|date_time|default_ipv4|device_links|devices|eth\d|hostnqn|"
    r"interfaces|lo|loadavg|memfree_mb|memory_mb|mounts|processor.*|swapfree_mb|uptime_seconds|proc_cmdline|"
    r"cmdline|product_uuid|machine_id|locally_reachable_ips|ssh_host_key.*|env)"
)
# Microseconds since the host booted, of as many digits as that is ago.
CLOCK = "TimestampMonotonic"
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
    (re.compile(r"(SSH_CLIENT|SSH_CONNECTION)=.*"), r"\1"),
    (re.compile(r"systemd-private-\S+"), "PRIVATE"),
)


def make_much(directory: Path, size: int = MUCH) -> Path:
    """A file to send there and back."""
    much = directory / "much"
    much.write_bytes(bytes(range(256)) * (size // 256))
    return much


def run_play(
    machine: Machine, executor: str, much: Path, variables: Mapping[str, Any] = {}
) -> dict[str, Any]:
    """What every task came to, in order, and all that Ansible said."""
    told, back = much.parent / f"told-{executor}", much.parent / "much.back"
    done = machine.play(
        PLAY,
        environment={"BAKERY_EXECUTOR": executor, "TOLD": str(told)},
        variables={"much": str(much), **variables},
    )
    text = told.read_text().replace(str(much.parent), "/here")
    run = {
        "results": [json.loads(line) for line in text.splitlines()],
        "output": done.stdout + done.stderr,
        "back": back.read_bytes() == much.read_bytes(),
        "leftovers": set(steady(machine.changed_files())),
    }
    back.unlink()
    return run


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[Any]:
    """Pairs of what a task came to in two runs, where that differs."""
    pairs = zip(results(one), results(other), strict=True)
    return [(first, second) for first, second in pairs if first != second]


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
            if name not in VOLATILE and not VOLATILE_FACTS.fullmatch(name) and not name.endswith(CLOCK)
        }
    if isinstance(value, list):
        return [steady(member) for member in value]
    if isinstance(value, str):
        for pattern, word in NUMBERS:
            value = pattern.sub(word, value)
    return value
