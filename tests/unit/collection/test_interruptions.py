"""Being told to end while something in the cloud has to be tidied up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from ansible_collections.bakery.images.plugins.module_utils.interruptions import Interrupted, noticed

PROGRAM = """
import os, signal, sys
from ansible_collections.bakery.images.plugins.module_utils.interruptions import noticed
number = int(sys.argv[1])
with noticed():
    try:
        os.kill(os.getpid(), number)
    except BaseException as error:
        os.kill(os.getpid(), number)  # somebody is impatient
        print("tidied up after", type(error).__name__, flush=True)
        raise
print("went on")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_tidies_up_and_then_ends_by_the_signal(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{PROGRAM}", str(int(number))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "tidied up after Interrupted\n"
    assert done.returncode == -number or "KeyboardInterrupt" in done.stderr


def test_what_must_not_be_torn_apart_finishes_first() -> None:
    done = []

    def work() -> None:
        with noticed() as interruptions:
            with interruptions.held():
                os.kill(os.getpid(), signal.SIGTERM)
                done.append("whole")
            done.append("not reached")

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with pytest.raises(Interrupted):
            work()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done == ["whole"]


def test_signals_are_as_before_when_nothing_happened() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with noticed():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
