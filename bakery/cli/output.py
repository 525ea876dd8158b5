"""Where a verb's answer goes: one JSON document, or text in the colours the stream can show.

All that is printed goes through here, whoever it comes from: no control character and no escape sequence but
those of Paint reaches a terminal or a log.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from bakery.cli.session import Session
from bakery.cli.text import clean

_CSI = "\x1b["
_PEN = f"\x0e{secrets.token_hex(8)}"
_STROKE = re.compile(f"{_PEN}([0-9]+m)")


@dataclass(frozen=True)
class Paint:
    """Terminal styles (ECMA-48 SGR), or none; ``columns`` is None where lines may be of any length.

    ``pen`` begins a sequence. Until it is shown a text has one that nobody can know who wrote a part of it.
    """

    on: bool
    columns: int | None = None
    pen: str = _CSI

    def bold(self, text: str) -> str:
        return self._sgr("1", text)

    def dim(self, text: str) -> str:
        return self._sgr("2", text)

    def red(self, text: str) -> str:
        return self._sgr("31", text)

    def green(self, text: str) -> str:
        return self._sgr("32", text)

    def yellow(self, text: str) -> str:
        return self._sgr("33", text)

    def cyan(self, text: str) -> str:
        return self._sgr("36", text)

    def _sgr(self, code: str, text: str) -> str:
        return f"{self.pen}{code}m{text}{self.pen}0m" if self.on and text else text


def paint_for(stream: TextIO, session: Session) -> Paint:
    """What ``stream`` can show: a pipe no colour and any length; NO_COLOR (no-color.org) is obeyed."""
    if not stream.isatty():
        return Paint(on=False)
    colour = session.colour and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Paint(on=colour, columns=shutil.get_terminal_size().columns, pen=_PEN)


def answer(session: Session, document: Mapping[str, Any], render: Callable[[Paint], str]) -> None:
    """Print the answer of a verb on stdout: ``document`` with --json, the rendered text otherwise."""
    if session.json:
        print_document(document)
        return
    text = render(paint_for(sys.stdout, session))
    if text:
        say(text, sys.stdout)


def print_document(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout. It is ASCII, so that a name that is not UTF-8 survives as an escape, and
    so does every control character: JSON leaves one of them to chance (RFC 8259, section 7).
    """
    print(json.dumps(document, indent=2).replace("\x7f", "\\u007f"), flush=True)


def say(text: str, stream: TextIO, *, end: str = "\n") -> None:
    """Print ``text``, which may be painted by ``paint_for``, in lines."""
    print(shown(text), file=stream, end=end, flush=True)


def shown(text: str) -> str:
    """``text`` as a stream gets it: cleaned, and the strokes of Paint in place."""
    parts = _STROKE.split(text)
    parts[::2] = map(clean, parts[::2])
    parts[1::2] = (f"{_CSI}{code}" for code in parts[1::2])
    return "".join(parts)


def remark(session: Session, text: str) -> None:
    """Say something beside the answer, on stderr; nothing with --quiet."""
    if session.verbosity >= 0:
        say(text, sys.stderr)
