"""Decides when a run must stop, and stops it.

ansible-runner's own way (SIGKILL to the process group) leaves the workers of ansible-core 2.19 behind, each
in a session of its own. Asked by SIGINT, Ansible ends its workers itself.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from bakery.adapters.ansible.processes import leader_of_run, send
from bakery.model.project import Timeouts
from bakery.model.run import PROVISION_PLAY, FailureKind
from bakery.ports import Cancel

# Seconds after the decision at which each signal is sent. Ctrl-C promises an end within ten seconds.
_ESCALATION = ((0.0, signal.SIGINT), (5.0, signal.SIGTERM), (6.0, signal.SIGKILL))


class Stopper:
    """Polled while a run goes on. ``reason`` says why the run was stopped; None while it was not.

    Only a role is stopped for the time that it takes in all: the steps of a target have deadlines of their
    own, and an image may be pending for an hour.
    """

    def __init__(
        self, run_id: str, cancel: Cancel, timeouts: Timeouts, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.reason: FailureKind | None = None
        self._run_id = run_id
        self._cancel = cancel
        self._timeouts = timeouts
        self._clock = clock
        self._last_event = clock()
        self._role_begun: float | None = None
        self._decided = 0.0
        self._sent = 0

    def saw_event(self, event: Mapping[str, Any]) -> None:
        """Something happened in the run: the idle time starts anew, and the role's with its play."""
        self._last_event = self._clock()
        if event.get("event") == "playbook_on_play_start":
            play = str((event.get("event_data") or {}).get("play", ""))
            self._role_begun = self._clock() if play.startswith(PROVISION_PLAY) else None

    def poll(self) -> None:
        """Stop the run when it is time; call again until the run has ended."""
        if self.reason is None:
            self.reason = self._why()
            self._decided = self._clock()
        if self.reason is not None:
            self._escalate()

    def _why(self) -> FailureKind | None:
        now = self._clock()
        if self._cancel.requested():
            return FailureKind.CANCELLED
        if self._role_begun is not None and now - self._role_begun > self._timeouts.total_s:
            return FailureKind.TIMEOUT
        if now - self._last_event > self._timeouts.idle_s:
            return FailureKind.IDLE
        return None

    def _escalate(self) -> None:
        if self._sent == len(_ESCALATION):
            return
        delay, number = _ESCALATION[self._sent]
        if self._clock() - self._decided < delay:
            return
        leader = leader_of_run(self._run_id)
        if leader is not None:  # else it is not there yet, or it has just ended: the next poll tells
            send(leader, number)
            self._sent += 1
