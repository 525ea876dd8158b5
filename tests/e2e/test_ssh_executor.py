"""A machine behind a real sshd: the same results warm or not, over one connection that may break."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import ssh_machines
from tests.e2e.machines import Machine, Machines
from tests.e2e.same_results import differences, make_much, run_play

pytestmark = pytest.mark.slow

PATHS = {"warm": "on", "ordinary": "off"}
PYTHON = " EXECUTOR python"
MUCH = 8_000_000
SLOWER = "tasks run slower from here"
# How one begins that came over ssh: the machine's own, which the engine started, reads from a socket.
MARKED = "grep -lz 's=[s]ys.stdin.buffer' /proc/[0-9]*/cmdline 2>/dev/null"
# Not what it forks for a request: its own parent is the machine's first process.
EXECUTOR = f"for f in $({MARKED}); do grep -q '^PPid:.1$' ${{f%cmdline}}status && echo $f; done | cut -d/ -f3"
GONE = f"while {MARKED}; do :; done"
TRACES = "find / -xdev -name '*bakery-executor*'; find /run /tmp -name '*bakery-executor*'"


@pytest.fixture(scope="module")
def plays(repository: Path) -> Path:
    return repository / "tests" / "fixtures" / "executor"


@pytest.fixture(scope="module")
def served(machines: Machines) -> dict[str, Machine]:
    """A machine for each path."""
    return {path: ssh_machines.launch(machines, f"ssh-{path}") for path in PATHS}


@pytest.fixture(scope="module")
def machine(served: dict[str, Machine]) -> Machine:
    return served["warm"]


@pytest.fixture(scope="module")
def told(served: dict[str, Machine], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The play's run by path; side by side, for nothing there depends on the other."""
    with ThreadPoolExecutor() as pool:
        runs = {
            path: pool.submit(
                run_play, served[path], executor, make_much(tmp_path_factory.mktemp(path), MUCH)
            )
            for path, executor in PATHS.items()
        }
    return {path: run.result() for path, run in runs.items()}


def with_hostvars(machine: Machine, **hostvars: Any) -> Machine:
    inventory = machine.inventory.with_name(f"{'-'.join(hostvars)}.json")
    changed: Mapping[str, Any] = machine.hostvars | hostvars
    inventory.write_text(json.dumps({"all": {"hosts": {"machine": changed}}}))
    return replace(machine, inventory=inventory)


def sessions(machine: Machine) -> int:
    """How many sessions and connections the machine's sshd has told of."""
    log = machine.run("journalctl --unit ssh --output cat")
    return log.count("Starting session: ") + log.count("Accepted publickey")


def connections(machine: Machine) -> list[int]:
    """The processes here that hold a connection for the machine's directory."""
    directory = machine.hostvars["ansible_ssh_bakery_directory"]
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"\0ControlPath=" in _read(path) and _link(path.parent / "cwd") == directory
    ]


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_every_task_comes_to_the_same(told: dict[str, Any]) -> None:
    assert not differences(told["warm"], told["ordinary"])
    assert told["warm"]["leftovers"] == told["ordinary"]["leftovers"]
    assert all(told[path]["back"] for path in PATHS)


def test_only_one_of_them_used_the_executor(told: dict[str, Any]) -> None:
    assert told["warm"]["output"].count(PYTHON) > 50
    assert SLOWER not in told["warm"]["output"]
    assert " EXECUTOR " not in told["ordinary"]["output"]


def test_task_starts_no_session(machine: Machine, plays: Path) -> None:
    assert machine.play(plays / "hello.yml").returncode == 0
    before = sessions(machine)
    assert before
    done = machine.play(plays / "hello.yml")
    assert done.stdout.count(PYTHON) == 3
    assert sessions(machine) == before


def test_cut_connection_is_renewed_and_finds_its_executor(machine: Machine, plays: Path) -> None:
    assert machine.play(plays / "hello.yml").returncode == 0
    executor = machine.run(EXECUTOR)
    assert executor.isdigit()
    (one,) = connections(machine)
    os.kill(one, signal.SIGKILL)
    done = machine.play(plays / "hello.yml")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(PYTHON) == 3
    assert machine.run(EXECUTOR) == executor
    assert SLOWER not in done.stdout + done.stderr


def test_executor_that_was_told_to_end_is_followed_by_another(machine: Machine, plays: Path) -> None:
    assert machine.play(plays / "hello.yml").returncode == 0
    first = machine.run(EXECUTOR)
    # It takes the directory of its socket along, as the last thing it does.
    machine.run(f"kill {first}; while ls -d /run/bakery-executor-* 2>/dev/null; do :; done")
    done = machine.play(plays / "hello.yml")
    assert done.stdout.count(PYTHON) == 3, done.stdout
    assert machine.run(EXECUTOR) not in ("", first)
    assert SLOWER not in done.stdout + done.stderr


def test_nothing_is_left_after_logging_out(machine: Machine, plays: Path) -> None:
    done = machine.play(plays / "reset.yml")
    assert done.stdout.count(PYTHON) == 1, done.stdout
    machine.run(GONE)
    assert machine.run(TRACES) == ""


def test_killed_executor_is_told_once_and_missed_by_nobody(machine: Machine, plays: Path) -> None:
    done = machine.play(plays / "killed_between.yml", variables={"way_of_the_killer": "ssh"})
    assert done.returncode == 0, done.stdout
    assert (done.stdout + done.stderr).count(SLOWER) == 1
    again = machine.play(plays / "hello.yml")
    assert again.returncode == 0
    assert SLOWER not in again.stdout + again.stderr
    assert machine.play(plays / "reset.yml").returncode == 0  # and the next one starts afresh
    assert machine.play(plays / "hello.yml").stdout.count(PYTHON) == 3


@pytest.mark.parametrize("executor", PATHS.values(), ids=PATHS)
def test_status_of_a_command_is_no_trouble_of_ssh(machine: Machine, plays: Path, executor: str) -> None:
    done = machine.play(plays / "statuses.yml", environment={"BAKERY_EXECUTOR": executor})
    assert done.returncode == 0, done.stdout
    assert '"rc": 255' in done.stdout
    assert '"stderr": "err\\n"' in done.stdout
    assert '"rc": 137' in done.stdout
    assert '"stdout": "a  b c\\"d $HOME $HOME * é\\n"' in done.stdout


def test_another_login_user_has_an_executor_and_root_the_ordinary_path(machine: Machine, plays: Path) -> None:
    directory = machine.hostvars["ansible_ssh_bakery_directory"]
    done = with_hostvars(
        machine,
        ansible_ssh_bakery_user="admin",
        ansible_ssh_bakery_directory=f"{directory}-admin",
        ansible_remote_tmp="/tmp/.ansible",
    ).play(plays / "others.yml")
    assert done.returncode == 0, done.stdout
    as_user, as_root = done.stdout.split("TASK [As root]")
    assert PYTHON in as_user
    assert '"stdout": "admin"' in as_user
    assert "ordinary path: the command is not one for the executor" in as_root
    assert '"stdout": "root"' in as_root


def test_another_host_key_is_refused(machine: Machine, plays: Path, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    other = ssh_machines.make_key(tmp_path / "other")
    known_hosts.write_text(f"{machine.launched.address} {other}\n")
    done = with_hostvars(
        machine,
        ansible_ssh_bakery_known_hosts=str(known_hosts),
        ansible_ssh_bakery_directory=str(tmp_path / "machines" / "other"),
    ).play(plays / "hello.yml", environment={"ANSIBLE_HOST_KEY_CHECKING": "false"})
    assert done.returncode == 4
    assert (
        f"the host key of {machine.launched.address} port 22 is not the one that {known_hosts}"
        in " ".join((done.stdout + done.stderr).split())
    )


def test_connection_takes_the_way_that_a_proxy_command_makes(
    machine: Machine, plays: Path, tmp_path: Path
) -> None:
    passed, relay = tmp_path / "passed", tmp_path / "relay"
    relay.write_text(f"touch {passed}\nexec 3<>/dev/tcp/$1/$2\ncat <&3 &\nexec cat >&3\n")
    done = with_hostvars(
        machine,
        ansible_ssh_bakery_proxy_command=f"bash {relay} %h %p",
        ansible_ssh_bakery_directory=str(tmp_path / "machines" / "proxied"),
    ).play(plays / "hello.yml")
    assert done.stdout.count(PYTHON) == 3, done.stdout + done.stderr
    assert passed.exists()


def test_logging_out_ends_the_connection_here(machine: Machine, plays: Path) -> None:
    assert machine.play(plays / "reset.yml").returncode == 0
    assert connections(machine) == []
