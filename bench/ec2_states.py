"""When things in a world's EC2 reached a state, who looked first after that, and when they were let go."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tests.ec2world.calls import Call
    from tests.ec2world.world import World

# How exactly a moment is known.
_SAMPLE_S = 0.02
RUNNING, STOPPED, AVAILABLE = "running", "stopped", "available"


@dataclass
class States:
    """Watches a world while it is entered; moments are in UTC."""

    world: World
    _reached: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _before: frozenset[str] = frozenset()
    _over: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def __enter__(self) -> Self:
        self._before = frozenset((*self.world.fleet.machines, *self.world.known_images))
        self._thread = Thread(target=self._watch, name="ec2-states", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    def noticed(self, state: str) -> list[float]:
        """For each thing that reached ``state``: seconds until a call asked about it and was told.

        A thing that nobody asked about any more is not among them.
        """
        found = []
        for (thing, reached), at in self._reached.items():
            if reached == state and (call := self._next(at, "Describe", thing)):
                found.append(_seconds(at, call.at))
        return found

    def released_after_capture(self) -> float:
        """Seconds from the moment an image is available until its instance is told to terminate."""
        (available,) = (at for (_, state), at in self._reached.items() if state == AVAILABLE)
        created = next(call for call in self.world.calls if call.action == "CreateImage")
        return max(0.0, self._released(str(created.parameters["InstanceId"]), available))

    def released_after_use(self, over: datetime) -> float:
        """Seconds from ``over``, the last use of the last instance, until it is told to terminate."""
        launched = [call for call in self.world.calls if call.action == "RunInstances" and not call.dry]
        (instance,) = (one for one in launched[-1].ids if one.startswith("i-"))
        return self._released(instance, over)

    def _released(self, instance: str, since: datetime) -> float:
        calls = (call for call in self.world.calls if call.action == "TerminateInstances")
        at = next(call.at for call in calls if instance in call.parameters.values())
        return _seconds(since, at)

    def _next(self, at: datetime, beginning: str, thing: str) -> Call | None:
        calls = (one for one in list(self.world.calls) if one.at >= at and one.action.startswith(beginning))
        return next((one for one in calls if thing in one.answer), None)

    def _watch(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            now = datetime.now(UTC)
            for instance in list(self.world.fleet.machines):
                if instance not in self._before:
                    self._reached.setdefault((instance, self.world.state(instance)), now)
            for image, one in list(self.world.known_images.items()):
                if image not in self._before and not one.outcome.pending:
                    self._reached.setdefault((image, AVAILABLE), now)


def _seconds(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds()
