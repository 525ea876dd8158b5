"""What every flow needs at hand, and the two things all of them do: run a step, and mind a machine."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bakery.errors import BakeryError, InterruptedBake, MachineError, Place, ProvisionError
from bakery.model.progress import Note, Warned
from bakery.model.project import NO_SECRETS, BaseSpec, Secrets, Timeouts
from bakery.model.records import MachineEntry, Owner
from bakery.model.run import (
    PROVISION_PLAY,
    FailureKind,
    Provision,
    Run,
    RunEvent,
    RunFailure,
    RunResult,
    TaskWarning,
)
from bakery.model.target import Target
from bakery.ports import Ansible, Cancel, Catalog, Locks, TaskWatch, Watch

# Purposes in the journal: a machine that its user wants to keep, before and after its bake is over.
KEEPING, KEPT = "keeping", "kept"
# Shared by whatever uses layers, held alone by whatever removes them.
STORE_LOCK = "store"


class LayerCorrupt(MachineError):
    """A layer that the catalog knows is missing from the store or is not what it was."""

    def __init__(self, message: str, layer_id: str) -> None:
        self.layer_id = layer_id
        super().__init__(message)


class BaseGone(MachineError):
    """What a base was found to be is not there: it is to be looked up, or made, again."""

    def of(self, base: BaseSpec, target: str) -> MachineError:
        """The same error of a base that the catalog remembers."""
        hint = f"look it up again with 'bakery base refresh {base.name} --target {target}'"
        return MachineError(self.message, where=base.where, hint=hint)


@dataclass(frozen=True)
class Kitchen:
    """The doors out and the facts of this process; built once, in ``cli/wiring.py``.

    ``secrets`` is what none of its runs may say; ``keep_report`` writes a report of checks to a file.
    """

    home: Path
    project_root: Path
    owner: Owner
    catalog: Catalog
    locks: Locks
    ansible: Ansible
    cancel: Cancel
    watch: Watch
    timeouts: Timeouts = field(default_factory=Timeouts)
    targets: Mapping[str, Target] = field(default_factory=dict)
    secrets: Secrets = NO_SECRETS
    keep_report: Callable[[Path, Mapping[str, Any]], None] = lambda _path, _report: None

    def run(
        self,
        playbook: str,
        target: str,
        variables: Mapping[str, Any],
        *,
        provision: Provision | None = None,
        watch: TaskWatch | None = None,
    ) -> Mapping[str, Any]:
        """Run one playbook and return what it handed up. A failure raises the error that fits it."""
        result = self.attempt(playbook, target, variables, provision=provision, watch=watch)
        if result.failure:
            raise error_of(result.failure)
        return result.up

    def attempt(
        self,
        playbook: str,
        target: str,
        variables: Mapping[str, Any],
        *,
        provision: Provision | None = None,
        watch: TaskWatch | None = None,
    ) -> RunResult:
        """Run one playbook; a failure is in the result, beside what was handed up before it.

        A variable that is None is not told at all: this takes away one that every run is told.
        """
        stop_if_cancelled(self.cancel)
        told = {
            "bakery_home": str(self.home),
            "bakery_target": target,
            "bakery_owner": asdict(self.owner),
            **self._options(target),
            **variables,
        }
        run = Run(
            playbook=playbook,
            variables={name: value for name, value in told.items() if value is not None},
            project_root=self.project_root,
            provision=provision,
            timeouts=self.timeouts,
            secrets=self.secrets,
        )
        return self.ansible.run(run, watch or self._watch_warnings(target))

    def _watch_warnings(self, target: str) -> TaskWatch:
        """For a run that nobody watches: its warnings are told all the same."""

        def watch(event: RunEvent) -> None:
            if isinstance(event, TaskWarning):
                self.watch(Warned(None, target, event.text))

        return watch

    def _options(self, target: str) -> dict[str, Any]:
        """How the project configures the target, which is told to all of its steps."""
        known = self.targets.get(target)
        return {"bakery_options": dict(known.options)} if known and known.options else {}

    def hiding(self, secrets: Secrets) -> Kitchen:
        """The same kitchen for a role set whose secrets nothing that comes back from a run may hold."""
        return replace(self, secrets=secrets)

    def using_the_store(self) -> AbstractContextManager[None]:
        """Hold the store together with others who use it, so that nothing is pruned meanwhile."""
        return self.locks.share(STORE_LOCK, self._say_pruned)

    def reading_the_store(self) -> AbstractContextManager[None]:
        """The same for what only reads it: that works in a home that cannot be written."""
        return self.locks.share(STORE_LOCK, self._say_pruned, reading=True)

    def say_waiting(self, role_set: str | None, what: str, *, lock: str) -> None:
        """Tell the user what the bake waits for, and who holds the lock."""
        holders = "; ".join(self.locks.holders(lock))
        self.watch(Note(role_set, f"{what} ({holders})" if holders else what))

    def _say_pruned(self) -> None:
        self.say_waiting(None, "the store is being pruned: waiting for its end", lock=STORE_LOCK)

    def shielded(self) -> Kitchen:
        """The same kitchen for cleaning up: it works on although somebody asked to stop."""
        return replace(self, cancel=Unstoppable(), ansible=self.ansible.shielded())


def stop_if_cancelled(cancel: Cancel) -> None:
    """Raise InterruptedBake if somebody asked to stop: nothing new begins then."""
    if cancel.requested():
        raise InterruptedBake("interrupted")


class Unstoppable:
    """A Cancel for clean-up work."""

    def requested(self) -> bool:
        return False


def error_of(failure: RunFailure) -> BakeryError:
    """The error a failed run means: interrupted, a role's fault, or the machinery's."""
    if failure.kind is FailureKind.CANCELLED:
        return InterruptedBake("interrupted")
    # What a role's module says of our store comes from a machine.
    trouble = {} if is_provisioning(failure) else failure.details
    if trouble.get("kind") == "layer_corrupt":
        return LayerCorrupt(failure.message, str(trouble.get("layer", "")))
    if trouble.get("kind") == "base_gone":
        return BaseGone(failure.message)
    where = _place(failure.path)
    if failure.role is None or not is_provisioning(failure):
        task = f"{failure.task}: " if failure.task else ""
        return MachineError(f"{task}{failure.message}", where=None if _is_ours(failure.path) else where)
    task = f", task '{failure.task}'" if failure.task else ""
    return ProvisionError(f"role '{failure.role}'{task}: {failure.message}", where=where)


def is_provisioning(failure: RunFailure) -> bool:
    """Whether a role of the user failed, rather than a target's own entry point."""
    return (failure.play or "").startswith(PROVISION_PLAY)


def _is_ours(path: str | None) -> bool:
    """Whether the file is one of bakery's own steps, which is no place for a user to look at."""
    return "ansible_collections/bakery/images/" in (path or "")


def _place(path: str | None) -> Place | None:
    if not path:
        return None
    file, _, line = path.rpartition(":")
    return Place(file, int(line)) if file and line.isdigit() else Place(path)


def now_text(now: Callable[[], datetime] | None = None) -> str:
    """The wall clock as RFC 3339, in UTC, whole seconds."""
    moment = now() if now else datetime.now(UTC)
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def new_machine_id() -> str:
    """Twelve hexadecimal digits; random, so that two bakes never meet."""
    return secrets.token_hex(6)


@contextmanager
def minded_machine(kitchen: Kitchen, target: str, *, purpose: str, role_set: str) -> Iterator[Minder]:
    """Journal a machine before its first use and make sure that it is gone afterwards.

    The steps discard their machine themselves when all goes well and then call ``gone()``; whatever else
    happens, an exception or a request to stop, the discard step runs here.
    """
    stop_if_cancelled(kitchen.cancel)
    entry = MachineEntry(
        id=new_machine_id(),
        target=target,
        owner=kitchen.owner,
        purpose=purpose,
        role_set=role_set,
        opened=now_text(),
    )
    kitchen.catalog.open_machine(entry)
    minder = Minder(entry, kitchen.catalog)
    try:
        yield minder
    except BaseException:
        _put_away_after_trouble(kitchen, minder)
        raise
    _put_away(kitchen, minder)


class Minder:
    """One journalled machine: whether it still exists, and what should stay of it.

    ``keep_as`` is the name to keep it by, ``kept`` the one by which it was.
    """

    def __init__(self, entry: MachineEntry, catalog: Catalog) -> None:
        self._entry = entry
        self._catalog = catalog
        self.id = entry.id
        self.target = entry.target
        self.role_set = entry.role_set
        self.present = True
        self.left_running = False
        self.keep_as: str | None = None
        self.kept: str | None = None

    def gone(self) -> None:
        """The step has discarded the machine."""
        self.present = False

    def leave_running(self) -> None:
        """The user wants the machine, beyond our own end: a sweep spares it until its time is over."""
        self._catalog.open_machine(replace(self._entry, purpose=KEPT))
        self.present = False
        self.left_running = True


def _put_away(kitchen: Kitchen, minder: Minder) -> None:
    if minder.present:
        _discard(kitchen.shielded(), minder)
    if not minder.left_running:
        kitchen.catalog.close_machine(minder.id)


def _put_away_after_trouble(kitchen: Kitchen, minder: Minder) -> None:
    """Put the machine away; where that fails too, the first error is the one to be told."""
    try:
        _put_away(kitchen, minder)
    except BakeryError as trouble:
        # Still open in the journal, so a sweep finds it once this process is gone.
        text = f"the machine {minder.id} could not be discarded: {trouble.message}; 'bakery sweep' removes it"
        kitchen.watch(Note(minder.role_set, text))


def _discard(kitchen: Kitchen, minder: Minder) -> None:
    kept = {"bakery_keep_as": minder.keep_as} if minder.keep_as else {}
    up = kitchen.run("discard.yml", minder.target, {"bakery_machine_id": minder.id, **kept})
    if refusal := up.get("not_kept"):
        kitchen.watch(Note(minder.role_set, str(refusal)))
    else:
        minder.kept = minder.keep_as
