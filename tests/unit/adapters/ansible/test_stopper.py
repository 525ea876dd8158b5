"""A run is stopped for one reason, with a signal after the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from bakery.adapters.ansible.processes import RUN_MARKER, end_run, leader_of_run, processes_of_run
from bakery.adapters.ansible.stopper import Stopper
from bakery.model.project import Timeouts
from bakery.model.run import PROVISION_PLAY, FailureKind

TELLS_SIGNALS = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: print("INT", flush=True))
signal.signal(signal.SIGTERM, lambda *_: print("TERM", flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""


class Asked:
    def __init__(self) -> None:
        self.asked = False

    def requested(self) -> bool:
        return self.asked


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cancel() -> Asked:
    return Asked()


@pytest.fixture
def stopper(clock: Clock, cancel: Asked) -> Stopper:
    return Stopper("no such run", cancel, Timeouts(idle_s=10, total_s=100), clock=clock)


def test_a_run_in_time_goes_on(stopper: Stopper, clock: Clock) -> None:
    for _ in range(9):
        clock.now += 10
        stopper.poll()
        stopper.saw_event({})
    assert stopper.reason is None


def test_silence_stops_a_run(stopper: Stopper, clock: Clock) -> None:
    clock.now += 11
    stopper.poll()
    assert stopper.reason is FailureKind.IDLE


def play(name: str) -> dict[str, Any]:
    return {"event": "playbook_on_play_start", "event_data": {"play": name}}


def test_time_in_all_stops_a_role_that_speaks(stopper: Stopper, clock: Clock) -> None:
    stopper.saw_event(play(f"{PROVISION_PLAY}nginx"))
    clock.now += 101
    stopper.saw_event({"event": "verbose"})
    stopper.poll()
    assert stopper.reason is FailureKind.TIMEOUT


@pytest.mark.parametrize("next_play", ["Capture an image", f"{PROVISION_PLAY}app"])
def test_each_role_has_its_own_time_and_other_steps_have_none(
    stopper: Stopper, clock: Clock, next_play: str
) -> None:
    stopper.saw_event(play("Launch a machine"))
    clock.now += 101
    stopper.saw_event(play(f"{PROVISION_PLAY}nginx"))
    clock.now += 99
    stopper.saw_event(play(next_play))
    clock.now += 9
    stopper.poll()
    assert stopper.reason is None


def test_the_first_reason_stays(stopper: Stopper, clock: Clock, cancel: Asked) -> None:
    cancel.asked = True
    stopper.poll()
    clock.now += 1000
    stopper.poll()
    assert stopper.reason is FailureKind.CANCELLED


def test_signals_get_stronger(clock: Clock, cancel: Asked) -> None:
    run_id = f"test-{os.getpid()}"
    stopper = Stopper(run_id, cancel, Timeouts(), clock=clock)
    with subprocess.Popen(
        [sys.executable, "-c", TELLS_SIGNALS],
        env={**os.environ, RUN_MARKER: run_id},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert leader_of_run(run_id) == process.pid
        cancel.asked = True
        stopper.poll()
        assert process.stdout.readline() == "INT\n"
        clock.now += 4.9
        stopper.poll()
        clock.now += 0.2
        stopper.poll()
        assert process.stdout.readline() == "TERM\n"
        clock.now += 1
        stopper.poll()
        assert process.wait() == -signal.SIGKILL
    assert leader_of_run(run_id) is None


def test_whatever_is_left_of_a_run_is_ended() -> None:
    run_id = f"test-left-{os.getpid()}"
    with subprocess.Popen(
        [sys.executable, "-c", TELLS_SIGNALS],
        env={**os.environ, RUN_MARKER: run_id},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert end_run(run_id, grace_s=0.1) == (process.pid,)
        assert processes_of_run(run_id) == ()
    assert end_run("no such run") == ()
