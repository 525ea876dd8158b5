"""What holds a task's process in is what holds a process of a plain ``podman run`` in, entry by entry.

What a machine has beyond that stands here and, with its reason, in docs/explanation/security.md.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.executor_client import Outcome
from ansible_collections.bakery.images.plugins.module_utils.podman import Podman, ulimit_options

from tests.e2e.machines import Machine, Machines

pytestmark = pytest.mark.slow

# linux/capability.h: NET_RAW 13, MKNOD 27, AUDIT_WRITE 29.
MORE_CAPABILITIES = 1 << 13 | 1 << 27 | 1 << 29
# x86_64, keyutils.h.
_ADD_KEY, _KEYCTL, _UNLINK, _SESSION = 248, 250, 9, -3
SETS_WITH_MORE = ("CapPrm", "CapEff", "CapBnd")
# What systemd and a bake want there. The control groups' own files are the engine's to show.
MORE_MOUNTS = {
    "/run": "tmpfs rw",
    "/run/lock": "tmpfs rw",
    "/tmp": "tmpfs rw",
    "/var/log/journal": "tmpfs rw",
    "/run/bakery": "ro",
    "/run/systemd/system": "rw",
    "/var/lib/apt/lists": "rw",
    "/var/cache/apt/archives": "rw",
    "/var/cache/apt": "rw",
}

Told = dict[str, Any]


@pytest.fixture(scope="module")
def probe(repository: Path) -> bytes:
    return (repository / "tests" / "fixtures" / "isolation_probe.py").read_bytes()


def told(outcome: Outcome | subprocess.CompletedProcess[bytes]) -> Told:
    assert outcome.stdout, outcome.stderr.decode()
    answer: Told = json.loads(outcome.stdout)
    return answer


@pytest.fixture(scope="module")
def machine(machines: Machines) -> Iterator[Machine]:
    """Launched by whoever has a key in its session keyring (keyrings(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    key = libc.syscall(_ADD_KEY, b"user", b"bakery-isolation-test", b"secret", 6, _SESSION)
    assert key > 0
    yield machines.launch("isolation")
    libc.syscall(_KEYCTL, _UNLINK, key, _SESSION)


@pytest.fixture(scope="module")
def plain(machine: Machine, probe: bytes) -> Iterator[Told]:
    """A container of the same base with podman's defaults, and the limits that every machine has."""
    engine = Podman()
    name = f"bakery-test-{uuid.uuid4().hex[:12]}"
    tree = machine.throwaways.store.tree(machine.launched.journal.parents[-1])
    words = [engine.path, *engine._runtime(), "run", "--detach", f"--name={name}", *ulimit_options()]
    subprocess.run([*words, "--rootfs", f"{tree}:O", "sleep", "600"], check=True, stdout=subprocess.DEVNULL)
    try:
        command = [engine.path, "exec", "--interactive", "--user=0", name, "python3", "-"]
        yield told(subprocess.run(command, input=probe, capture_output=True, check=True))
    finally:
        engine.remove(name, grace_s=0)


@pytest.fixture(scope="module", params=["executor", "engine"])
def ours(request: pytest.FixtureRequest, machine: Machine, probe: bytes) -> Told:
    """A command in a machine, both ways."""
    way = machine.throwaways.command(machine.launched.journal).way
    run: Callable[..., Outcome] = way.run if request.param == "executor" else way.run_by_engine
    return told(run(["python3", "-"], probe))


def test_capabilities_are_those_of_podman_and_three_that_packages_want(ours: Told, plain: Told) -> None:
    more = {name: int(plain["status"][name], 16) | MORE_CAPABILITIES for name in SETS_WITH_MORE}
    assert {name: int(ours["status"][name], 16) for name in SETS_WITH_MORE} == more
    assert {**ours["status"], **dict.fromkeys(SETS_WITH_MORE)} == {
        **plain["status"],
        **dict.fromkeys(SETS_WITH_MORE),
    }


@pytest.mark.parametrize("entry", ["calls", "devices", "security label", "oom score"])
def test_entry_is_the_same(ours: Told, plain: Told, entry: str) -> None:
    assert ours[entry] == plain[entry]


def test_seccomp_is_on_and_denies(ours: Told) -> None:
    assert ours["status"]["Seccomp"] == "2"
    denied = {name for name, outcome in ours["calls"].items() if outcome != "allowed"}
    assert {"a key of the caller", "add_key", "bpf", "kexec_load", "mount", "ptrace", "init_module"} <= denied


def test_every_namespace_and_control_group_is_the_machines(ours: Told) -> None:
    assert set(ours["namespaces of the first process"].values()) == {True}
    assert ours["control groups"] is True


def test_devices_of_the_host_cannot_be_opened(ours: Told) -> None:
    assert set(ours["nodes"].values()) == {"open EPERM"}


def test_limits_are_the_same(ours: Told, plain: Told) -> None:
    assert ours["limits"] == plain["limits"]


def test_mounts_beyond_podmans_are_known_and_its_masks_are_there(ours: Told, plain: Told) -> None:
    masks = {path: kind for path, kind in plain["mounts"].items() if path.startswith(("/proc", "/sys"))}
    assert {path: ours["mounts"].get(path) for path in masks if "cgroup" not in path} == {
        path: kind for path, kind in masks.items() if "cgroup" not in path
    }
    more = {path: kind for path, kind in ours["mounts"].items() if path not in plain["mounts"]}
    unknown = [
        f"{path} {kind}"
        for path, kind in more.items()
        if not kind.endswith(MORE_MOUNTS.get(path, "nowhere")) and not path.startswith("/sys/fs/cgroup")
    ]
    assert not unknown


def test_nothing_of_the_host_but_pipes_is_open(ours: Told) -> None:
    assert ours["descriptors"] == ["pipe", "pipe", "pipe"]
