"""The door to Ansible that the flows know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.model.run import FailureKind, Run, RunFailure, RunResult
from bakery.ports import Cancel, TaskWatch

if TYPE_CHECKING:
    from bakery.adapters.ansible.places import Places


class AnsibleRunner:
    """``ports.Ansible``. One object serves any number of runs, also at once from several threads."""

    def __init__(self, cancel: Cancel, places: Places | None = None) -> None:
        self._cancel = cancel
        self._places = places

    def run(self, run: Run, watch: TaskWatch) -> RunResult:
        """Run ``run.playbook`` to its end, or until cancelled or out of time; the failure is in the result.

        ``watch`` is called from the calling thread; what it raises ends the run and comes back out. Raises
        MachineError when there is no room for the run's private files.
        """
        if self._cancel.requested():
            failure = RunFailure(kind=FailureKind.CANCELLED, message="interrupted")
            return RunResult(up={}, failure=failure, seconds=0.0)
        # Here and not above: a bake that finds everything unchanged runs nothing and must not pay for this.
        from bakery.adapters.ansible.drive import drive
        from bakery.adapters.ansible.places import find_places

        return drive(run, watch, cancel=self._cancel, places=self._places or find_places())

    def shielded(self) -> AnsibleRunner:
        """The same door for cleaning up: its runs go on although somebody asked to stop."""
        return AnsibleRunner(_NeverAsked(), self._places)


class _NeverAsked:
    """A Cancel that nobody can request."""

    def requested(self) -> bool:
        return False
