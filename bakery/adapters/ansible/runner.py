"""Runs one playbook through ansible-runner and says how it ended."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping
from typing import Any

from bakery.adapters.ansible.command import playbook_command
from bakery.adapters.ansible.environment import run_environment
from bakery.adapters.ansible.listener import Listener
from bakery.adapters.ansible.outcome import run_failure
from bakery.adapters.ansible.paths import PathShower
from bakery.adapters.ansible.places import Places, find_places
from bakery.adapters.ansible.private_dir import PrivateDir, private_dir
from bakery.adapters.ansible.processes import end_run
from bakery.adapters.ansible.stopper import Stopper
from bakery.model.run import FailureKind, Run, RunFailure, RunResult
from bakery.ports import Cancel, TaskWatch

# How often ansible-runner looks at anything but output: the price of a cancelled bake's last half second.
_POLL_S = 0.5
# What ansible-runner sets for its event callback (RunnerConfig.prepare_env); the rest of its environment is
# the caller's.
_RUNNER_VARIABLES = (
    "ANSIBLE_STDOUT_CALLBACK",
    "AWX_ISOLATED_DATA_DIR",
    "RUNNER_OMIT_EVENTS",
    "RUNNER_ONLY_FAILED_EVENTS",
)


class AnsibleRunner:
    """``ports.Ansible``. One object serves any number of runs, also at once from several threads."""

    def __init__(self, cancel: Cancel, places: Places | None = None) -> None:
        self._cancel = cancel
        self._places = places

    def shielded(self) -> AnsibleRunner:
        """The same door for cleaning up: its runs do not stop when somebody asked to."""
        return AnsibleRunner(_Never(), self._places)

    def run(self, run: Run, watch: TaskWatch) -> RunResult:
        """Run ``run.playbook`` to its end, or until cancelled or out of time; the failure is in the result.

        ``watch`` is called from the calling thread. Raises MachineError when there is no room for the run's
        private files.
        """
        begun = time.monotonic()
        if self._cancel.requested():
            failure = RunFailure(kind=FailureKind.CANCELLED, message="interrupted")
            return RunResult(up={}, failure=failure, seconds=0.0)
        with private_dir() as private:
            listener = Listener(watch, PathShower(run.project_root, private.path))
            stopper = Stopper(private.run_id, self._cancel, run.timeouts)
            rc = self._drive(run, private, listener=listener, stopper=stopper)
            failure_or_none = run_failure(listener, rc=rc, stopped=stopper.reason, timeouts=run.timeouts)
        return RunResult(
            up=listener.up,
            failure=failure_or_none,
            seconds=time.monotonic() - begun,
            warnings=tuple(listener.warnings),
        )

    def _drive(self, run: Run, private: PrivateDir, *, listener: Listener, stopper: Stopper) -> int | None:
        """Returns the exit status of ansible-playbook; None when a signal ended it."""
        places = self._places or find_places()

        def on_event(event: Mapping[str, Any]) -> bool:
            stopper.saw_event()
            listener.read(event)
            return False  # ansible-runner need not write it to a file

        def on_poll() -> bool:
            stopper.poll()
            return False  # stopping is ours: see stopper.py

        config = _runner_config(run, private, places)
        runner = importlib.import_module("ansible_runner.runner").Runner(
            config, event_handler=on_event, cancel_callback=on_poll
        )
        ended = False
        try:
            runner.run()
            ended = stopper.reason is None and runner.rc is not None
        finally:
            if not ended:  # stopped, killed, or an exception on our side: nothing of the run may go on
                end_run(private.run_id)
        return None if runner.rc is None else int(runner.rc)


class _Never:
    """A Cancel that nobody can ask."""

    def requested(self) -> bool:
        return False


def _runner_config(run: Run, private: PrivateDir, places: Places) -> Any:
    """ansible-runner's configuration, with the command, the environment and the directory that are ours."""
    command = playbook_command(run, private, places)
    environment = run_environment(run, private, places)
    config = importlib.import_module("ansible_runner.config.runner").RunnerConfig(
        private_data_dir=str(private.path),
        playbook=run.playbook,
        ident=private.run_id,
        quiet=True,
        fact_cache_type="memory",
    )
    config.prepare()
    config.pexpect_timeout = _POLL_S
    config.suppress_output_file = True
    config.command = command
    config.cwd = str(run.project_root)
    callbacks = importlib.import_module("ansible_runner.utils").get_callback_dir()
    config.env = {
        **environment,
        **{name: config.env[name] for name in _RUNNER_VARIABLES},
        "ANSIBLE_CALLBACK_PLUGINS": str(callbacks),
    }
    return config
