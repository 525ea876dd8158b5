"""The warnings of a bake: those of all its runs, each once, by role set and target."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from bakery.model.progress import Event, Warned
from bakery.model.result import BakeResult
from bakery.ports import Watch


@dataclass(frozen=True)
class Warnings:
    """Stands before a watcher and remembers; ``watch`` may be called from several threads."""

    watcher: Watch
    _texts: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, event: Event) -> None:
        """Pass the event on, a warning of a role set only the first time."""
        if isinstance(event, Warned) and event.role_set is not None:
            with self._guard:
                texts = self._texts.setdefault((event.role_set, event.target), {})
                if event.text in texts:
                    return
                texts[event.text] = None
        self.watcher(event)

    def of(self, result: BakeResult) -> tuple[str, ...]:
        """The warnings of a role set on a target, in their order."""
        with self._guard:
            return tuple(self._texts.get((result.role_set, result.target), ()))
