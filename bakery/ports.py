"""The doors out, as Protocols. ``flows`` and ``cli`` know these; ``adapters`` implement them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from bakery.model.progress import Event
from bakery.model.records import Attempt, BaseRecord, ImageRecord, LayerRecord, MachineEntry
from bakery.model.run import Run, RunEvent, RunResult

Watch = Callable[[Event], None]
TaskWatch = Callable[[RunEvent], None]


class Catalog(Protocol):
    """What bakery remembers, shared by every process that uses the same home.

    Every ``add_*`` is one durable transaction; adding the same record again changes nothing.
    """

    def bases(self) -> Mapping[tuple[str, str], BaseRecord]: ...
    def layers(self) -> Mapping[tuple[str, str], LayerRecord]: ...
    def find_layer(self, target: str, key: str) -> LayerRecord | None: ...
    def images(self) -> tuple[ImageRecord, ...]: ...
    def attempts(self) -> tuple[Attempt, ...]: ...
    def open_machines(self) -> tuple[MachineEntry, ...]: ...

    def add_base(self, record: BaseRecord) -> None: ...
    def add_layer(self, record: LayerRecord) -> None: ...
    def add_image(self, record: ImageRecord) -> None: ...
    def add_attempt(self, attempt: Attempt) -> None: ...
    def clear_attempt(self, role_set: str, target: str) -> None: ...
    def open_machine(self, entry: MachineEntry) -> None: ...
    def close_machine(self, machine_id: str) -> None: ...

    def forget_layers(self, target: str, layer_ids: tuple[str, ...]) -> None: ...
    def forget_images(self, target: str, artifact_digests: tuple[str, ...]) -> None: ...
    def forget_bases(self, target: str, digests: tuple[str, ...]) -> None: ...


class Locks(Protocol):
    """Mutual exclusion between processes and threads; released by the kernel when the holder dies."""

    def hold(self, name: str, on_wait: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold ``name``; ``on_wait`` is called once if somebody else has it. Raises InterruptedBake when
        cancelled.
        """
        ...

    def share(
        self, name: str, on_wait: Callable[[], None], *, reading: bool = False
    ) -> AbstractContextManager[None]:
        """Hold ``name`` together with everybody else who shares it, and with nobody who holds it alone.

        Who is only ``reading`` needs no lock in a home that cannot be written: nobody removes anything there.
        """
        ...

    def holders(self, name: str) -> tuple[str, ...]:
        """Who holds ``name`` besides this process, each as ``process 12: bakery bake web``; as far as can be
        seen.
        """
        ...


class Ansible(Protocol):
    """Runs one playbook to its end."""

    def run(self, run: Run, watch: TaskWatch) -> RunResult:
        """Never raises for a failing play: the failure is in the result. Stops early when cancelled."""
        ...

    def shielded(self) -> Ansible:
        """The same door for cleaning up: a request to stop does not reach its runs."""
        ...


class Cancel(Protocol):
    """Whether somebody asked to stop (Ctrl-C, SIGTERM)."""

    def requested(self) -> bool: ...
