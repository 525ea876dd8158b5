"""In-memory implementations of the Protocols in ``bakery/ports.py``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from bakery.errors import InterruptedBake
from bakery.model.records import Attempt, BaseRecord, ImageRecord, LayerRecord, MachineEntry
from bakery.ports import Ansible, Cancel, Catalog, Locks
from tests.unit.fake_target import FakeAnsible


@dataclass
class Diary:
    """What happened, in order, as ``verb object`` lines; shared by the fakes of one test."""

    lines: list[str] = field(default_factory=list)

    def write(self, line: str) -> None:
        self.lines.append(line)

    def of(self, *verbs: str) -> list[str]:
        """The lines that begin with one of ``verbs``."""
        return [line for line in self.lines if line.split(" ", 1)[0] in verbs]


class FakeCancel:
    """A Cancel that a test requests."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self) -> None:
        self._event.set()

    def requested(self) -> bool:
        return self._event.is_set()


class FakeLocks:
    """Locks between threads. ``meanwhile`` plays another process that had the lock before us, once each.

    Its keys are beginnings of lock names.
    """

    def __init__(self, cancel: Cancel) -> None:
        self.meanwhile: dict[str, Callable[[], None]] = {}
        self._cancel = cancel
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def hold(self, name: str, on_wait: Callable[[], None]) -> AbstractContextManager[None]:
        return self._hold(name, on_wait)

    def share(
        self, name: str, on_wait: Callable[[], None], *, reading: bool = False
    ) -> AbstractContextManager[None]:
        return nullcontext()

    def holders(self, name: str) -> tuple[str, ...]:
        return ()

    @contextmanager
    def _hold(self, name: str, on_wait: Callable[[], None]) -> Iterator[None]:
        if self._cancel.requested():
            raise InterruptedBake("interrupted")
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
            prefix = next((one for one in self.meanwhile if name.startswith(one)), None)
            other = self.meanwhile.pop(prefix) if prefix else None
        if other:
            on_wait()
            other()
        if not lock.acquire(blocking=False):
            on_wait()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


class FakeCatalog:
    """A Catalog in dictionaries that writes what changes the journal into the diary."""

    def __init__(self, diary: Diary) -> None:
        self._diary = diary
        self._guard = threading.RLock()
        self._bases: dict[tuple[str, str], BaseRecord] = {}
        self._layers: dict[tuple[str, str], LayerRecord] = {}
        self._images: list[ImageRecord] = []
        self._attempts: dict[tuple[str, str], Attempt] = {}
        self._machines: dict[str, MachineEntry] = {}

    def bases(self) -> Mapping[tuple[str, str], BaseRecord]:
        with self._guard:
            return dict(self._bases)

    def layers(self) -> Mapping[tuple[str, str], LayerRecord]:
        with self._guard:
            return dict(self._layers)

    def find_layer(self, target: str, key: str) -> LayerRecord | None:
        return self.layers().get((target, key))

    def images(self) -> tuple[ImageRecord, ...]:
        with self._guard:
            return tuple(self._images)

    def attempts(self) -> tuple[Attempt, ...]:
        with self._guard:
            return tuple(self._attempts.values())

    def open_machines(self) -> tuple[MachineEntry, ...]:
        with self._guard:
            return tuple(self._machines.values())

    def add_base(self, record: BaseRecord) -> None:
        with self._guard:
            self._bases[record.target, record.spec] = record

    def add_layer(self, record: LayerRecord) -> None:
        with self._guard:
            self._layers.setdefault((record.target, record.key), record)

    def add_image(self, record: ImageRecord) -> None:
        with self._guard:
            self._diary.write(f"record {record.role_set}")
            if record not in self._images:
                self._images.append(record)

    def add_attempt(self, attempt: Attempt) -> None:
        with self._guard:
            key = (attempt.role_set, attempt.target)
            self._attempts.pop(key, None)
            self._attempts[key] = attempt

    def clear_attempt(self, role_set: str, target: str) -> None:
        with self._guard:
            self._diary.write(f"clear {role_set}")
            self._attempts.pop((role_set, target), None)

    def open_machine(self, entry: MachineEntry) -> None:
        with self._guard:
            self._diary.write(f"open {entry.purpose}")
            self._machines[entry.id] = entry

    def close_machine(self, machine_id: str) -> None:
        with self._guard:
            entry = self._machines.pop(machine_id, None)
            self._diary.write(f"close {entry.purpose if entry else 'unknown'}")

    def forget_layers(self, target: str, layer_ids: tuple[str, ...]) -> None:
        with self._guard:
            self._diary.write(f"forget-layers {' '.join(layer_ids)}")
            gone = [key for key, one in self._layers.items() if key[0] == target and one.id in layer_ids]
            for key in gone:
                del self._layers[key]

    def forget_images(self, target: str, artifact_digests: tuple[str, ...]) -> None:
        with self._guard:
            self._diary.write(f"forget-images {' '.join(artifact_digests)}")
            self._images = [
                one
                for one in self._images
                if one.target != target or one.artifact["digest"] not in artifact_digests
            ]

    def forget_bases(self, target: str, digests: tuple[str, ...]) -> None:
        with self._guard:
            self._diary.write(f"forget-bases {' '.join(digests)}")
            gone = [key for key, one in self._bases.items() if key[0] == target and one.digest in digests]
            for key in gone:
                del self._bases[key]


def hold_protocols(catalog: FakeCatalog, locks: FakeLocks, cancel: FakeCancel, ansible: FakeAnsible) -> None:
    """Type-checks that the fakes are what they play."""
    _catalog: Catalog = catalog
    _locks: Locks = locks
    _cancel: Cancel = cancel
    _ansible: Ansible = ansible
