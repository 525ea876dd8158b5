"""Throwaway machines on real layers: launch, enter, freeze, discard, sweep."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.base_store import BaseRequest, BaseStore
from ansible_collections.bakery.images.plugins.module_utils.checkpoint import Checkpoint, checkpoint
from ansible_collections.bakery.images.plugins.module_utils.debian_base import DebianSpec
from ansible_collections.bakery.images.plugins.module_utils.engine_files import lost_writes
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.machine_description import describe
from ansible_collections.bakery.images.plugins.module_utils.podman import Podman
from ansible_collections.bakery.images.plugins.module_utils.sealed import Sealing
from ansible_collections.bakery.images.plugins.module_utils.sealing import seal
from ansible_collections.bakery.images.plugins.module_utils.sweeping import Sweep
from ansible_collections.bakery.images.plugins.module_utils.throwaway import (
    Launched,
    Throwaways,
    Wanted,
    container_name,
)

pytestmark = pytest.mark.slow

ABOUT = {"role": "r", "version": "1", "created_by": "test"}
SYSTEMD = BaseRequest("debian-12", debian=DebianSpec(suite="bookworm"))
Run = Callable[..., str]


@pytest.fixture(scope="module")
def root(home: Path) -> str:
    return str(home / "container")


@pytest.fixture(scope="module")
def base(root: str) -> dict[str, Any]:
    """The same base that the command line makes for the test project."""
    bases = BaseStore(root)
    with bases.locked(SYSTEMD):
        return bases.find(SYSTEMD) or bases.make(SYSTEMD)


@pytest.fixture(scope="module")
def throwaways(root: str) -> Throwaways:
    return Throwaways(root)


@pytest.fixture
def wanted(base: dict[str, Any], request: pytest.FixtureRequest) -> Wanted:
    return Wanted(
        machine_id=request.node.name.replace("_", "-")[5:60],
        parents=tuple(layer["id"] for layer in base["layers"]),
        epoch=base["epoch"],
        ttl_s=3600,
    )


@pytest.fixture
def launch(throwaways: Throwaways) -> Iterator[Callable[[Wanted], Launched]]:
    """Launch machines that are gone after the test."""
    names: list[str] = []

    def run(wanted: Wanted) -> Launched:
        names.append(wanted.machine_id)
        return throwaways.launch(wanted)

    yield run
    for name in names:
        throwaways.discard(name)


def inside(throwaways: Throwaways, launched: Launched, script: str) -> str:
    done = throwaways.command(launched.journal).run(["/bin/sh", "-ec", script], timeout_s=300)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def freeze(throwaways: Throwaways, launched: Launched) -> dict[str, Any]:
    wanted = Checkpoint(epoch=launched.journal.epoch, about=ABOUT, compression="gzip")
    return checkpoint(throwaways, launched.journal, wanted).layer


def test_machine_boots_systemd_and_is_called_bakery(
    throwaways: Throwaways, wanted: Wanted, launch: Any
) -> None:
    launched = launch(wanted)
    assert launched.failed_units == ()
    assert inside(throwaways, launched, "cat /proc/1/comm; hostname") == "systemd\nbakery"


def test_machine_shares_no_namespace_that_matters(wanted: Wanted, launch: Any) -> None:
    pid = launch(wanted).journal.pid
    for kind in ("mnt", "pid", "net", "uts", "ipc"):
        assert Path(f"/proc/{pid}/ns/{kind}").readlink() != Path(f"/proc/self/ns/{kind}").readlink()


def test_command_has_the_capabilities_of_the_first_process(
    throwaways: Throwaways, wanted: Wanted, launch: Any
) -> None:
    launched = launch(wanted)
    ours, theirs = inside(
        throwaways, launched, "grep -h ^CapEff /proc/self/status /proc/1/status | cut -f2"
    ).split()
    assert ours == theirs
    assert int(ours, 16) != (1 << 41) - 1


def test_exec_words_run_a_command_and_its_exit_status(
    throwaways: Throwaways, wanted: Wanted, launch: Any
) -> None:
    launched = launch(wanted)
    words = describe(
        launched.journal, throwaways.machines.path(wanted.machine_id), address=launched.address, failed=()
    )["exec"]
    done = subprocess.run(
        [*words, "sh", "-c", "cat; exit 7"], input=b"in", stdout=subprocess.PIPE, check=False
    )
    assert (done.stdout, done.returncode) == (b"in", 7)


def test_freeze_is_a_rename(throwaways: Throwaways, wanted: Wanted, launch: Any) -> None:
    launched = launch(wanted)
    upper = Path(throwaways.machines.path(wanted.machine_id, "upper")).stat()
    inside(throwaways, launched, "echo hello > /srv/hello")
    layer = freeze(throwaways, launched)
    tree = Path(throwaways.store.tree(layer["id"])).stat()
    assert (tree.st_ino, tree.st_dev) == (upper.st_ino, upper.st_dev)
    assert throwaways.machines.find(wanted.machine_id) is None


def test_booting_alone_makes_no_layer(throwaways: Throwaways, wanted: Wanted, launch: Any) -> None:
    """What systemd and the engine write when a machine boots is no change of a role's."""
    tree = Path(throwaways.store.tree(freeze(throwaways, launch(wanted))["id"]))
    assert [str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir()] == []


def test_layer_of_a_package_holds_nothing_of_the_bake(
    throwaways: Throwaways, wanted: Wanted, base: dict[str, Any], launch: Any
) -> None:
    """Packages come from the cache the second time, and lists need no second fetch."""
    first = replace(wanted, apt_scope=base["digest"])
    launched = launch(first)
    inside(throwaways, launched, "apt-get install -qq -y openssh-server")
    layer = freeze(throwaways, launched)
    tree = Path(throwaways.store.tree(layer["id"]))
    for pattern in (
        "etc/ssh/ssh_host_*",
        "var/lib/apt/lists/*",
        "var/cache/apt/**/*.*",
        "var/log/**/*.log",
        "etc/*-",
        "tmp/*",
        "run/*",
    ):
        assert list(tree.glob(pattern)) == [], pattern
    assert "openssh-server" in [name for name, _version in layer["packages"]["added"]]
    second = launch(replace(first, machine_id=f"{wanted.machine_id}-2", parents=wanted.parents))
    lists = Path(throwaways.machines.path(second.journal.id, "apt/lists/given"))
    assert any(entry.stat().st_nlink > 1 for entry in lists.iterdir() if entry.is_file())
    updated = (lists.parent / "upper").stat().st_mtime_ns
    inside(throwaways, second, "apt-get install -qq -y --no-download openssh-server")
    assert (lists.parent / "upper").stat().st_mtime_ns == updated


def test_a_hundred_and_twenty_layers_mount(throwaways: Throwaways, wanted: Wanted, launch: Any) -> None:
    layers = []
    for number in range(120):
        tree = Path(throwaways.store.root) / f"tree-{number}"
        tree.mkdir()
        (tree / f"number-{number}").touch()
        layers.append(throwaways.store.commit(str(tree), {"role": None}))
    launched = launch(replace(wanted, parents=(*wanted.parents, *layers)))
    assert inside(throwaways, launched, "ls /number-* | wc -l") == "120"
    throwaways.discard(wanted.machine_id)
    for layer in layers:
        throwaways.store.remove(layer)


def test_image_command_that_ends_at_once_is_a_failure_with_its_words(
    throwaways: Throwaways, wanted: Wanted, launch: Any
) -> None:
    config = {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo no such database >&2; exit 3"]}
    with pytest.raises(MachineFailure, match=r"exit code 3; its last words: .*no such database"):
        launch(replace(wanted, config=config))
    assert throwaways.machines.find(wanted.machine_id) is None


def test_image_runs_as_its_configuration_says(
    throwaways: Throwaways, wanted: Wanted, launch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The engine would give it to a variable without a value.
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    config = {
        "Cmd": ["sh", "-c", "id -un > /srv/out/who; pwd >> /srv/out/who; echo $A >> /srv/out/who; sleep 60"],
        "Env": ["A=b c", "PATH=/usr/bin:/bin", "SECRET_OF_THE_HOST", "SECRET_*"],
        "User": "root",
        "WorkingDir": "/srv",
        "Volumes": {"/srv/out": {}},
    }
    launched = launch(replace(wanted, config=config))
    assert inside(throwaways, launched, "cat /srv/out/who") == "root\n/srv\nb c"
    assert inside(throwaways, launched, "grep -c ' /srv/out ' /proc/mounts") == "1"
    environment = inside(throwaways, launched, "tr '\\0' '\\n' < /proc/1/environ")
    assert "SECRET_OF_THE_HOST=\n" in environment + "\n"


def test_second_machine_of_a_name_is_refused(throwaways: Throwaways, wanted: Wanted, launch: Any) -> None:
    launch(wanted)
    with pytest.raises(MachineFailure, match="exists already"):
        throwaways.launch(wanted)
    assert throwaways.is_running(throwaways.machines.get(wanted.machine_id))


_LAUNCH_AND_DIE = """
import json, os, sys
from ansible_collections.bakery.images.plugins.module_utils import throwaway
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner, boot_id, process_start
root, wanted, point = json.loads(sys.argv[1])
def die(*args, **kwargs):
    os.kill(os.getpid(), 9)
if point == "mount":
    throwaway.make_stubs = die
elif point == "container":
    throwaway.Throwaways._await = die
elif point == "journal":
    throwaway.mount_overlay = die
owner = Owner(bake="b", pid=os.getpid(), start=process_start(os.getpid()), boot=boot_id())
throwaway.Throwaways(root).launch(throwaway.Wanted(owner=owner, **wanted))
"""


@pytest.mark.parametrize("point", ["journal", "mount", "container"])
def test_sweep_removes_what_a_killed_launch_left(
    throwaways: Throwaways, wanted: Wanted, repository: Path, point: str
) -> None:
    settings = {"machine_id": f"killed-{point}", "parents": wanted.parents, "epoch": wanted.epoch}
    done = subprocess.run(
        [sys.executable, "-c", _LAUNCH_AND_DIE, json.dumps([throwaways.store.root, settings, point])],
        env=os.environ | {"PYTHONPATH": str(repository / "collections")},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    machine_id = f"killed-{point}"
    directory = throwaways.machines.path(machine_id)
    assert Path(directory, "machine.json").exists()
    sweep = Sweep(throwaways.store.root, Podman())
    swept = sweep.find()
    assert machine_id in swept.machines
    assert (f"{directory}/merged" in swept.mounts) is (point != "journal")
    assert (container_name(machine_id) in swept.containers) is (point == "container")
    sweep.remove(swept)
    assert not Path(directory).exists()
    assert directory not in Path("/proc/self/mountinfo").read_text()
    assert Podman().inspect(container_name(machine_id)) is None


def test_log_of_an_unprivileged_user_is_emptied_and_stays(tmp_path: Path) -> None:
    log = tmp_path / "var/log/app.log"
    log.parent.mkdir(parents=True)
    log.write_text("secret")
    os.chown(log, 33, 33)
    seal(str(tmp_path), lowers=[], by=Sealing(epoch=1))
    assert (log.read_bytes(), log.stat().st_uid) == (b"", 33)


def test_base_made_again_has_the_same_digest(
    root: str, base: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another day of another time zone, with another umask and language."""
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("LC_ALL", "C")
    before = os.umask(0o077)
    try:
        again = BaseStore(root).make(SYSTEMD)
    finally:
        os.umask(before)
    assert again["digest"] == base["digest"]


def test_reboot_is_refused_at_once_and_the_machine_lives(
    throwaways: Throwaways, wanted: Wanted, launch: Any
) -> None:
    launched = launch(wanted)
    script = "for c in reboot 'systemctl reboot' 'shutdown -r 0 now'; do ! $c 2>&1 || echo did $c; done"
    assert "did" not in inside(throwaways, launched, script)
    assert throwaways.is_running(launched.journal)


def test_what_is_written_into_the_files_of_the_engine_is_told(
    throwaways: Throwaways, wanted: Wanted, launch: Any
) -> None:
    launched = launch(wanted)
    before = launched.journal.details["engine_files"]
    assert lost_writes(launched.journal.pid, before) == []
    inside(throwaways, launched, "echo 192.0.2.1 db >>/etc/hosts; chmod 755 /tmp")
    told = lost_writes(launched.journal.pid, before)
    assert [one.partition(" was changed")[0] for one in told] == ["/etc/hosts", "the mode of /tmp"]


def test_commands_see_the_environment_of_the_base(
    throwaways: Throwaways, wanted: Wanted, launch: Any
) -> None:
    launched = launch(replace(wanted, env=("PATH=/opt/go/bin", "GREETING=a b")))
    path, greeting = inside(throwaways, launched, 'echo "$PATH"; echo "$GREETING"').splitlines()
    assert path.startswith("/opt/go/bin:")
    assert "/usr/bin" in path.split(":")
    assert greeting == "a b"


def test_a_working_directory_that_is_not_there_is_made(wanted: Wanted, launch: Any) -> None:
    config = {"Cmd": ["sleep", "1000"], "WorkingDir": "/srv/made/here"}
    launched = launch(replace(wanted, config=config))
    assert Path(f"/proc/{launched.journal.pid}/cwd").readlink() == Path("/srv/made/here")
