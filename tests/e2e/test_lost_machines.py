"""Machines whose engine forgot them, or that have no owner: found and ended from the kernel's view."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils import throwaway
from ansible_collections.bakery.images.plugins.module_utils.base_store import BaseRequest, BaseStore
from ansible_collections.bakery.images.plugins.module_utils.checkpoint import Checkpoint, checkpoint
from ansible_collections.bakery.images.plugins.module_utils.debian_base import DebianSpec
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.machine_processes import processes_on
from ansible_collections.bakery.images.plugins.module_utils.overlay_mount import mounts_below, unmount
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner, process_start
from ansible_collections.bakery.images.plugins.module_utils.podman import Podman
from ansible_collections.bakery.images.plugins.module_utils.sweeping import Sweep
from ansible_collections.bakery.images.plugins.module_utils.throwaway import Throwaways, Wanted

pytestmark = pytest.mark.e2e

SYSTEMD = BaseRequest("debian-12", debian=DebianSpec(suite="bookworm"))
DEAD = Owner(bake="b", pid=1, start=1, boot="another boot")


@pytest.fixture
def throwaways(home: Path) -> Iterator[Throwaways]:
    made = Throwaways(str(home / "container"))
    yield made
    for name in made.machines.names():
        made.discard(name)


@pytest.fixture
def wanted(home: Path, request: pytest.FixtureRequest) -> Wanted:
    bases = BaseStore(str(home / "container"))
    with bases.locked(SYSTEMD):
        base: dict[str, Any] = bases.find(SYSTEMD) or bases.make(SYSTEMD)
    return Wanted(
        machine_id=request.node.name.replace("_", "-")[5:50].rstrip("-"),
        parents=tuple(layer["id"] for layer in base["layers"]),
        epoch=base["epoch"],
        ttl_s=3600,
    )


@pytest.fixture
def forgetful(throwaways: Throwaways, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Let the machines of this test be started by an engine with a state of its own; the call resets that
    state as a restart of the host would.
    """
    with TemporaryDirectory(prefix="p") as state:  # podman wants a short path
        script = tmp_path / "podman"
        # Engines of one user share their locks, and this one frees all it finds: it gets locks of its own.
        settings = tmp_path / "containers.conf"
        settings.write_text('[engine]\nlock_type = "file"\n')
        options = f"--root {state}/root --runroot {state}/run --tmpdir {state}/tmp"
        script.write_text(
            f'#!/bin/sh\nCONTAINERS_CONF={settings} exec {throwaways.engine.path} {options} "$@"\n'
        )
        script.chmod(0o755)
        throwaways.engine.path = str(script)
        yield Path(state, "tmp", "alive").unlink
        throwaways.engine.remove("--all", grace_s=0)
        unmount(state)


ABOUT = {"role": "r", "version": "1", "created_by": "test"}


def sweep(throwaways: Throwaways, engine: Podman | None) -> list[str]:
    look = Sweep(throwaways.store.root, engine)
    swept = look.find()
    look.remove(swept)
    return swept.machines


def named_networks(pid: int | None) -> list[Path]:
    """The names (ip-netns(8)) of the network that a process is on; networks of other tests come and go."""
    network = Path(f"/proc/{pid}/ns/net").stat().st_ino
    found = []
    for name in Path("/run").glob("netns/*"):
        with suppress(FileNotFoundError):
            found += [name] if name.stat().st_ino == network else []
    return found


def test_processes_of_a_machine_are_those_on_its_tree(throwaways: Throwaways, wanted: Wanted) -> None:
    journal = throwaways.launch(wanted).journal
    found = processes_on(throwaways.machines.path(journal.id))
    assert journal.pid in found
    assert os.getpid() not in found
    inits = [pid for pid in found if Path(f"/proc/{pid}/comm").read_text() == "systemd\n"]
    assert inits == [journal.pid]


def test_a_machine_that_the_engine_never_heard_of_is_ended_with_its_network(
    throwaways: Throwaways, wanted: Wanted, forgetful: Callable[[], None]
) -> None:
    journal = throwaways.launch(replace(wanted, owner=DEAD)).journal
    [network] = named_networks(journal.pid)
    assert sweep(throwaways, Podman()) == [journal.id]
    assert process_start(journal.pid or 0) is None
    assert mounts_below(throwaways.machines.directory) == []
    assert throwaways.machines.names() == []
    assert not network.exists()


def test_a_machine_that_the_engine_takes_for_created_is_ended(
    throwaways: Throwaways, wanted: Wanted, forgetful: Callable[[], None]
) -> None:
    """podman forgets what runs when the file ``alive`` of its temporary directory is gone."""
    journal = throwaways.launch(replace(wanted, owner=DEAD)).journal
    forgetful()
    shown = subprocess.run(
        [throwaways.engine.path, "ps", "--all", "--format", "{{.State}}"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split()
    assert shown == ["Created"]
    assert process_start(journal.pid or 0) == journal.start
    assert sweep(throwaways, throwaways.engine) == [journal.id]
    assert process_start(journal.pid or 0) is None
    assert mounts_below(throwaways.machines.directory) == []


def test_a_machine_that_the_engine_forgot_is_stopped_in_order_and_frozen(
    throwaways: Throwaways, wanted: Wanted, forgetful: Callable[[], None]
) -> None:
    journal = throwaways.launch(wanted).journal
    last_words = "[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStop=/usr/bin/touch /srv/stopped\\n"
    script = f"printf '{last_words}' >/run/systemd/system/end.service; systemctl start end"
    throwaways.command(journal).run(["/bin/sh", "-ec", script], timeout_s=60)
    forgetful()
    layer = checkpoint(
        throwaways, journal, Checkpoint(epoch=journal.epoch, about=ABOUT, compression="gzip")
    ).layer
    assert Path(throwaways.store.tree(layer["id"]), "srv/stopped").exists()
    assert throwaways.machines.names() == []


def test_nothing_is_frozen_of_a_machine_that_had_to_be_killed(
    throwaways: Throwaways, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its services had no chance to write what they hold."""
    monkeypatch.setattr(throwaway, "_STOP_TIMEOUT_S", 0)
    journal = throwaways.launch(wanted).journal
    layers = throwaways.store.ids()
    with pytest.raises(MachineFailure, match="had to be killed; nothing is frozen of it"):
        checkpoint(throwaways, journal, Checkpoint(epoch=journal.epoch, about=ABOUT, compression="gzip"))
    assert throwaways.store.ids() == layers
    assert throwaways.discard(journal.id)
    assert throwaways.machines.names() == []


def test_a_machine_without_an_owner_lives_until_its_time_is_over(
    throwaways: Throwaways, wanted: Wanted
) -> None:
    journal = throwaways.launch(wanted).journal
    assert sweep(throwaways, Podman()) == []
    assert throwaways.is_running(journal)
    throwaways.machines.update(journal, created=journal.created - wanted.ttl_s - 1)
    assert sweep(throwaways, Podman()) == [journal.id]
    assert not throwaways.is_running(journal)


def test_a_sweep_without_an_engine_ends_what_is_dead(throwaways: Throwaways, wanted: Wanted) -> None:
    journal = throwaways.launch(replace(wanted, owner=DEAD)).journal
    assert sweep(throwaways, None) == [journal.id]
    assert process_start(journal.pid or 0) is None
    assert sweep(throwaways, Podman()) == []
    assert not Podman().inspect(f"bakery-{journal.id}")
