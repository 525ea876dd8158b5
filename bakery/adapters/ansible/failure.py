"""What to say about a failed task: from the result of its module to a message that fits a screen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TAIL_LINES = 15
_TAIL_CHARACTERS = 2000
_HIDDEN = "its output is hidden by no_log"

# Troubles that many published roles have, by the words of the message that Ansible gives for them.
_HINTS = (
    (
        re.compile(r"Conditional result .*was derived from value of type", re.DOTALL),
        (
            "since ansible-core 2.19 a condition must be true or false, not a string or a list: the role"
            " needs a newer version, or a filter such as '| bool' or '| length > 0' in this condition"
        ),
    ),
    (
        re.compile(
            r"Decryption failed|password or secret must be specified|no vault secrets (?:were )?found"
        ),
        "name the password file or client script of this vault under 'vault' in bakery.yml",
    ),
    (
        re.compile(r"/usr/bin/python3?: not found|python3?: No such file|interpreter.*was not found"),
        "the base has no Python 3; add it to the base's packages",
    ),
)


def failure_message(result: Mapping[str, Any]) -> str:
    """The message of a module's result, with the end of its output when that says more, and a hint where one
    is known.
    """
    failed = _failed_item(result) or result
    if "censored" in failed:
        return _HIDDEN
    parts = [_message(failed), *_outputs(failed)]
    text = "\n".join(part for part in parts if part) or "the module gave no reason"
    return with_hint(text)


def failure_details(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a module of ours said about a known trouble."""
    details = (_failed_item(result) or result).get("bakery_error")
    return dict(details) if isinstance(details, Mapping) else {}


def with_hint(text: str) -> str:
    """The text and, on a line of its own, what is known about the trouble it describes."""
    for pattern, hint in _HINTS:
        if pattern.search(text):
            return f"{text}\nhint: {hint}"
    return text


def _failed_item(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first failed item of a loop; its own result says more than "One or more items failed"."""
    items = result.get("results")
    if not isinstance(items, list):
        return None
    results = (item for item in items if isinstance(item, Mapping))
    return next((item for item in results if item.get("failed") or item.get("unreachable")), None)


def _message(result: Mapping[str, Any]) -> str:
    message = result.get("msg") or result.get("reason") or ""
    text = message if isinstance(message, str) else repr(message)
    if isinstance(result.get("assertion"), str):
        text = f"{text}: {result['assertion']}"
    if isinstance(result.get("rc"), int) and result.get("cmd"):
        text = f"{text} (rc {result['rc']})"
    return text.strip().removeprefix("Task failed: ")


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
