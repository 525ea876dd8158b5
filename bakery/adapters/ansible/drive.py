"""Drives one run of ansible-playbook through ansible-runner, from its private files to its result."""

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
from bakery.adapters.ansible.places import Places
from bakery.adapters.ansible.private_dir import PrivateDir, private_dir
from bakery.adapters.ansible.processes import end_run
from bakery.adapters.ansible.stopper import Stopper
from bakery.model.run import Run, RunResult
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


def drive(run: Run, watch: TaskWatch, *, cancel: Cancel, places: Places) -> RunResult:
    """Run ``run.playbook`` to its end; see ``AnsibleRunner.run``."""
    begun = time.monotonic()
    # Two first runs may come here at once. Importing a submodule does not wait for a package that another
    # thread is still importing, importing the package does.
    importlib.import_module("ansible_runner")
    with private_dir() as private:
        roles_path = run.provision.roles_path if run.provision else ()
        listener = Listener(watch, PathShower(run.project_root, private.path, roles_path))
        stopper = Stopper(private.run_id, cancel, run.timeouts)
        rc = _run_playbook(_runner_config(run, private, places), listener, stopper)
        failure = run_failure(listener, rc=rc, stopped=stopper.reason, timeouts=run.timeouts)
    return RunResult(
        up=listener.up,
        failure=failure,
        seconds=time.monotonic() - begun,
        warnings=tuple(listener.warnings),
    )


def _run_playbook(config: Any, listener: Listener, stopper: Stopper) -> int | None:
    """Returns the exit status of ansible-playbook; None when a signal ended it."""

    def on_event(event: Mapping[str, Any]) -> bool:
        stopper.saw_event(event)
        listener.read(event)
        return False  # ansible-runner need not write it to a file

    def on_poll() -> bool:
        stopper.poll()
        return False  # stopping is ours: see stopper.py

    runner = importlib.import_module("ansible_runner.runner").Runner(
        config, event_handler=on_event, cancel_callback=on_poll
    )
    ended = False
    try:
        runner.run()
        ended = stopper.reason is None and runner.rc is not None
    finally:
        if not ended:  # stopped, killed, or an exception on our side: nothing of the run may go on
            end_run(config.ident)
    return None if runner.rc is None else int(runner.rc)


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
