"""Where a verb's answer goes: one JSON document, or text in the colours the stream can show."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from bakery.cli.session import Session


@dataclass(frozen=True)
class Paint:
    """Terminal styles (ECMA-48 SGR), or none; ``columns`` is None where lines may be of any length."""

    on: bool
    columns: int | None = None

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
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text


def paint_for(stream: TextIO, session: Session) -> Paint:
    """What ``stream`` can show: a pipe no colour and any length; NO_COLOR (no-color.org) is obeyed."""
    if not stream.isatty():
        return Paint(on=False)
    colour = session.colour and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Paint(on=colour, columns=shutil.get_terminal_size().columns)


def answer(session: Session, document: Mapping[str, Any], render: Callable[[Paint], str]) -> None:
    """Print the answer of a verb on stdout: ``document`` with --json, the rendered text otherwise."""
    if session.json:
        print_document(document)
        return
    text = render(paint_for(sys.stdout, session))
    if text:
        print(text, flush=True)


def print_document(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout. It is ASCII, so that a name that is not UTF-8 survives as an escape."""
    print(json.dumps(document, indent=2), flush=True)


def remark(session: Session, text: str) -> None:
    """Say something beside the answer, on stderr; nothing with --quiet."""
    if session.verbosity >= 0:
        print(text, file=sys.stderr, flush=True)
