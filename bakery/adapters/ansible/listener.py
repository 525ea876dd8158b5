"""Reads the events of a run: progress for the watcher, and everything the result is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bakery.adapters.ansible.failure import failure_details, failure_message
from bakery.adapters.ansible.hints import with_hint
from bakery.adapters.ansible.paths import PathShower
from bakery.model.run import (
    PROVISION_PLAY,
    FailureKind,
    HandedUp,
    RunFailure,
    TaskEnded,
    TaskProgress,
    TaskStarted,
    TaskWarning,
)
from bakery.ports import TaskWatch

Event = Mapping[str, Any]
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_WARNING = re.compile(r"^\[(?:DEPRECATION )?WARNING\]: *")
# How a module of ours says how far it is: see plugin_utils/in_worker.py in the collection.
_PROGRESS = re.compile(r"^bakery: *")
# Where a warning comes from, and the lines it quotes from there.
_SOURCE = re.compile(r"\s*\nOrigin: (\S+?:\d+)(?::\d+)?\n.*", re.DOTALL)
_FATAL = {"runner_on_failed": FailureKind.TASK, "runner_on_unreachable": FailureKind.UNREACHABLE}
_NOT_FATAL = frozenset({"rescued", "ignored"})
_OUTPUT_LINES = 400
_MOST_WARNINGS = 100


@dataclass(frozen=True)
class TaskPlace:
    """Where a run is: in which task of which play."""

    play: str
    role: str | None
    task: str
    path: str | None


class Listener:
    """Fed with every event in order."""

    def __init__(self, watch: TaskWatch, paths: PathShower) -> None:
        self.failure: RunFailure | None = None
        self.stats: Mapping[str, Any] | None = None
        self.warnings: list[str] = []
        self.output: list[str] = []
        self.place: TaskPlace | None = None
        self._watch = watch
        self._paths = paths
        self._tasks = 0
        self._handed_up: dict[str, Any] = {}
        self._readers: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "playbook_on_task_start": self._task_started,
            "runner_on_ok": self._task_ok,
            "runner_on_skipped": lambda data: self._task_ended(data, "skipped"),
            "runner_on_failed": lambda data: self._task_failed("runner_on_failed", data),
            "runner_on_unreachable": lambda data: self._task_failed("runner_on_unreachable", data),
            "playbook_on_no_hosts_matched": self._no_host,
            "playbook_on_stats": self._read_stats,
        }

    @property
    def up(self) -> Mapping[str, Any]:
        """What was handed up under the name ``bakery``: by the final event, or by the steps of a run that was
        cut off.
        """
        data = self.stats["artifact_data"] if self.stats is not None else self._handed_up
        up = data.get("bakery") if isinstance(data, Mapping) else None
        return up if isinstance(up, Mapping) else {}

    def explained(self, text: str, role: str | None) -> str:
        """A message of Ansible's with short paths, and with a hint where one is known; ``role`` failed."""
        return with_hint(self._paths.text(text), self._paths.project_root, of_role=role is not None)

    def role_of(self, path: str | None) -> str | None:
        """See ``PathShower.role_of``."""
        return self._paths.role_of(path)

    def read(self, event: Event) -> None:
        """Take in one event as ansible-runner gives it."""
        kind = str(event.get("event", ""))
        reader = self._readers.get(kind)
        if reader is not None:
            reader(event.get("event_data") or {})
        elif kind in {"verbose", "warning", "deprecated", "error", "system_warning"}:
            self._read_text(str(event.get("stdout") or ""))

    def _task_started(self, data: Mapping[str, Any]) -> None:
        self._tasks += 1
        self.place = self._place(data)
        self._watch(TaskStarted(self.place.play, self.place.role, self.place.task, self._tasks))

    def _task_ok(self, data: Mapping[str, Any]) -> None:
        result = _result(data)
        stats = result.get("ansible_stats")
        if isinstance(stats, Mapping) and isinstance(stats.get("data"), Mapping):
            _merge(self._handed_up, stats["data"])
            ours = stats["data"].get("bakery")
            if isinstance(ours, Mapping):
                self._watch(HandedUp(ours))
        self._task_ended(data, "changed" if result.get("changed") else "ok")

    def _task_failed(self, event: str, data: Mapping[str, Any]) -> None:
        outcome = data.get("outcome")
        ignored = bool(data.get("ignore_errors")) or outcome in _NOT_FATAL
        unreachable = event == "runner_on_unreachable"
        status = "ignored" if ignored else "unreachable" if unreachable else "failed"
        if not ignored and self.failure is None:
            place = self._place(data)
            self.failure = RunFailure(
                kind=_FATAL[event],
                message=self.explained(failure_message(_result(data)), _role_at(place)),
                play=place.play,
                role=place.role,
                task=place.task,
                path=place.path,
                details=failure_details(_result(data)),
            )
        self._task_ended(data, status)

    def _task_ended(self, data: Mapping[str, Any], status: str) -> None:
        place = self._place(data)
        for text in _warnings(_result(data)):
            self._warn(text, _role_at(place))
        self._watch(TaskEnded(place.play, place.role, place.task, status, float(data.get("duration") or 0.0)))

    def _no_host(self, data: Mapping[str, Any]) -> None:
        if self.failure is None:
            play = str(data.get("play") or "")
            self.failure = RunFailure(
                kind=FailureKind.NO_HOST,
                message=f"no host matched '{data.get('play_pattern') or play}'",
                play=play or None,
            )

    def _read_stats(self, data: Mapping[str, Any]) -> None:
        self.stats = {"artifact_data": {}, "processed": {}, **data}

    def _read_text(self, text: str) -> None:
        plain = self._paths.text(_ANSI.sub("", text).replace("\r\n", "\n").strip())
        if _PROGRESS.match(plain):
            self._watch(TaskProgress(_PROGRESS.sub("", plain)))
        elif _WARNING.match(plain):
            origin = _SOURCE.search(plain)
            role = self.role_of(origin[1]) if origin else _role_at(self.place)
            self._warn(_SOURCE.sub(r" (\1)", _WARNING.sub("", plain)), role)
        elif plain and len(self.output) < _OUTPUT_LINES:
            self.output.append(plain)

    def _warn(self, text: str, role: str | None) -> None:
        """Tell a warning once, with the role that it is about."""
        plain = self._paths.text(text.strip())
        warning = f"role '{role}': {plain}" if role else plain
        if warning not in self.warnings and len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(warning)
            self._watch(TaskWarning(warning))

    def _place(self, data: Mapping[str, Any]) -> TaskPlace:
        path = data.get("task_path")
        return TaskPlace(
            play=str(data.get("play") or ""),
            role=str(data["role"]) if data.get("role") else None,
            task=str(data.get("task") or data.get("name") or ""),
            path=self._paths.task_path(str(path)) if path else None,
        )


def _result(data: Mapping[str, Any]) -> Mapping[str, Any]:
    result = data.get("res")
    return result if isinstance(result, Mapping) else {}


def _role_at(place: TaskPlace | None) -> str | None:
    """The role of the project that a task belongs to; None for the steps of a target."""
    return place.role if place and place.play.startswith(PROVISION_PLAY) else None


def _warnings(result: Mapping[str, Any]) -> list[str]:
    """What a module warned of, also for the items of a loop. Output that is hidden warns of nothing."""
    items = result.get("results")
    found = [result, *(items if isinstance(items, list) else ())]
    told = [one.get("warnings") for one in found if isinstance(one, Mapping) and "censored" not in one]
    return [str(text) for texts in told if isinstance(texts, list) for text in texts]


def _merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    """As ``set_stats`` aggregates: mappings are merged, anything else is replaced."""
    for name, value in new.items():
        old = into.get(name)
        if isinstance(old, dict) and isinstance(value, Mapping):
            _merge(old, value)
        else:
            into[name] = dict(value) if isinstance(value, Mapping) else value
