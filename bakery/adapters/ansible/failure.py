"""What to say about a failed task: from the result of its module to a message that fits a screen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TAIL_LINES = 15
_TAIL_CHARACTERS = 2000
_HIDDEN = "its output is hidden by no_log"

# What every failure of a module begins with: it says nothing.
_EMPTY_CAUSES = frozenset({"Task failed", "Module failed", "Action failed"})
# As Python shows an OSError; what it names may be bytes.
_ERRNO = re.compile(r"\[Errno \d+\] ([^:'\[\]]+): b?'([^']*)'")


def failure_message(result: Mapping[str, Any]) -> str:
    """The message of a module's result with its cause, and the end of its output when that says more."""
    failed = _failed_item(result) or result
    if "censored" in failed:
        return _HIDDEN
    parts = [_message(failed), *_outputs(failed)]
    return "\n".join(part for part in parts if part) or "the module gave no reason"


def failure_details(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a module of ours said about a known trouble."""
    details = (_failed_item(result) or result).get("bakery_error")
    return dict(details) if isinstance(details, Mapping) else {}


def _failed_item(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first failed item of a loop, or of the modules that gather facts: its own result says more."""
    items = result.get("results")
    modules = result.get("failed_modules")
    if isinstance(modules, Mapping):
        return next((one for one in modules.values() if isinstance(one, Mapping)), None)
    if not isinstance(items, list):
        return None
    results = (item for item in items if isinstance(item, Mapping))
    return next((item for item in results if item.get("failed") or item.get("unreachable")), None)


def _message(result: Mapping[str, Any]) -> str:
    message = result.get("msg") or result.get("reason") or ""
    text = message if isinstance(message, str) else repr(message)
    if isinstance(result.get("assertion"), str):
        text = f"{text}: {result['assertion']}"
    for raw, cause in _causes(result):
        if cause not in text and raw not in text:
            text = f"{text.rstrip('. ')}: {cause}" if text else cause
    if isinstance(result.get("rc"), int) and result.get("cmd"):
        text = f"{text} (rc {result['rc']})"
    return text.strip().removeprefix("Task failed: ").removeprefix("Module failed: ")


def _causes(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the failure comes from, as ansible-core 2.19 and later tell it (child.py), the cause last: each as
    it is told, and as it reads better.
    """
    causes = result.get("bakery_causes")
    if not isinstance(causes, list):
        return []
    texts = [str(cause).strip().rstrip(".") for cause in causes]
    return [(text, _ERRNO.sub(r"\1: \2", text)) for text in texts if text and text not in _EMPTY_CAUSES]


def _outputs(result: Mapping[str, Any]) -> list[str]:
    """The tails of what the module's program said; its standard output only where its errors say nothing."""
    message = str(result.get("msg", ""))
    for names in (("stderr", "module_stderr"), ("stdout", "module_stdout")):
        said = [
            tail
            for name in names
            if isinstance(result.get(name), str) and (tail := _tail(result[name])) and tail not in message
        ]
        if said:
            return said
    return []


def _tail(text: str) -> str:
    lines = text.strip().splitlines()[-_TAIL_LINES:]
    return "\n".join(lines)[-_TAIL_CHARACTERS:].strip()
