"""The processes of a run are found, also those whose environment only root may read: they know secrets."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bakery.adapters.ansible import processes
from bakery.adapters.ansible.private_dir import private_dir
from bakery.adapters.ansible.processes import RUN_MARKER, kill_runs_of_this_process, processes_of_run

HERE = Path(processes.__file__).parent


@contextmanager
def waiting(*words: str, **environment: str) -> Iterator[int]:
    """A shell that waits to be told to end; ``words`` come after its script, of which they are no part.

    It has said that it waits: what it forked before is gone.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(["/bin/sh", *words], **pipes, env=environment) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


def script(path: Path) -> str:
    """For ``sh -c``: what stands where the program of a run is named, and waits."""
    return f"{path} 2> /dev/null; echo; read line"


def test_by_the_variable_that_what_is_started_inherits() -> None:
    run_id = secrets.token_hex(8)
    with waiting("-c", "echo; read line", **{RUN_MARKER: run_id}) as pid:
        assert processes_of_run(run_id) == (pid,)


def test_by_the_private_directory_in_the_arguments_of_our_own_program() -> None:
    with (
        private_dir() as made,
        waiting("-c", script(HERE / "nothing"), "-i", str(made.path / "inventory.yml")) as pid,
    ):
        assert processes_of_run(made.run_id) == (pid,)
        assert processes_of_run(secrets.token_hex(8)) == ()


def test_all_runs_of_this_process_are_killed_by_that_directory_too() -> None:
    with private_dir() as made:
        words = ["/bin/sh", "-c", script(HERE / "nothing"), "-i", str(made.path / "inventory.yml")]
        with subprocess.Popen(words, stdin=subprocess.PIPE, env={}) as process:
            kill_runs_of_this_process()
            assert process.wait() == -signal.SIGKILL


def test_by_a_directory_that_names_no_namespace() -> None:
    run_id = secrets.token_hex(8)
    inventory = f"/dev/shm/bakery-run-{os.getpid()}-1-{run_id}/inventory.yml"
    with waiting("-c", script(HERE / "nothing"), "-i", inventory) as pid:
        assert processes_of_run(run_id) == (pid,)
        assert processes_of_run(secrets.token_hex(8)) == ()


def test_whoever_only_looks_at_a_run_is_no_process_of_it() -> None:
    run_id = secrets.token_hex(8)
    with waiting("-c", script(Path("/usr/bin/nothing")), f"/dev/shm/bakery-run-1-1-{run_id}/inventory.yml"):
        assert processes_of_run(run_id) == ()
