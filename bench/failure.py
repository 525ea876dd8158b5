"""Why a competitor has no time, in one line."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LONGEST = 160
# Of the lines a tool prints, the first of these forms that occurs says most; the last such line counts.
_TELLING: Sequence[re.Pattern[str]] = (
    re.compile(r'"msg": "(?P<why>(?:[^"\\]|\\.)+)"'),
    re.compile(r"\[ERROR\]: (?P<why>.+)"),
    re.compile(r"\b(?:fatal|ERROR!?|Error|error): (?P<why>.+)"),
)
_NOISE = re.compile(r"^(PLAY RECAP|TASK \[|PLAY \[|ok:|changed:|skipping:|\S+ +: ok=\d+|=+$|-+$|\*+$|\s*\^)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class NotRun(Exception):
    """A competitor or a workload that cannot run here; the message is the reason."""


class CommandFailed(NotRun):
    """A command that ended with an error; the message is what it said last."""


def about_services(why: str) -> bool:
    """Whether a task failed over a service, as it does where no systemd runs."""
    return re.search(r"\b(systemd|systemctl|[Ss]ervice|D-?Bus)\b", why) is not None


def last_words(output: str) -> str:
    """The line of ``output`` that says why a command failed, without colours, cut to fit a table."""
    lines = [line.strip() for line in _COLOURS.sub("", output).splitlines()]
    for form in _TELLING:
        for line in reversed(lines):
            if found := form.search(line):
                return _cut(found["why"].replace('\\"', '"').replace("\\n", " "))
    telling = [line for line in lines if line and not _NOISE.match(line)]
    return _cut(telling[-1]) if telling else "it said nothing"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"
