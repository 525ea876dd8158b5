"""Record what commands of bakery look like on a terminal, as SVG files for the README.

Usage: ``record_terminal.py COMMAND --file END.svg [--during TEXT FILE.svg]``. The command runs for real, in a
terminal of tmux's. One picture is the screen at the end, the other that of the moment TEXT appears on it.
The pictures in ``docs/images/`` are of "bakery bake web", during "Install nginx", and of "bakery show web",
in this repository with its base made already.
"""

from __future__ import annotations

import argparse
import io
import re
import secrets
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

_COLUMNS = 100
_LINES = 40
# External fonts: a picture must not load anything.
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_POLL_S = 0.1
_LONGEST_S = 1800
# What the shell of the recording prints once the command is over; never part of the picture.
_END = "recording-is-over"


class Terminal:
    """A terminal of its own tmux server, which ends with it."""

    def __init__(self) -> None:
        self._server = f"record-{secrets.token_hex(4)}"

    def __enter__(self) -> Self:
        size = ["-x", str(_COLUMNS), "-y", str(_LINES)]
        shell = "env PS1= TERM=screen-256color sh"
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, shell)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tmux("kill-server")

    def type(self, text: str) -> None:
        """Type a line."""
        self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    def screen(self, *, colours: bool) -> str:
        """What is on the screen now, with the escape sequences of its colours or without."""
        return self._tmux("capture-pane", "-p", *(["-e"] if colours else []))

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._server, *words], check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout


def record(command: str, during: str | None) -> tuple[str, str]:
    """The screen when ``during`` appeared on it and at the end, with colours, without empty lines below."""
    moment = ""
    with Terminal() as terminal:
        terminal.type(f"clear; {command}; echo {_END[:5]}''{_END[5:]}")
        deadline = time.monotonic() + _LONGEST_S
        while _END not in (plain := terminal.screen(colours=False)):
            if time.monotonic() > deadline:
                raise SystemExit(f"'{command}' took longer than {_LONGEST_S} seconds")
            if during and not moment and during in plain:
                moment = terminal.screen(colours=True).rstrip()
            time.sleep(_POLL_S)
        return moment, terminal.screen(colours=True).partition(_END)[0].rstrip()


def as_svg(command: str, screen: str) -> str:
    """The screen as a picture of a terminal, below the command that was typed."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "green"), (command, "bold")))
    for line in screen.splitlines():
        console.print(Text.from_ansi(line), no_wrap=True, crop=True)
    picture = console.export_svg(title=command.split(maxsplit=1)[0], unique_id="terminal")
    return _FONTS.sub("", picture) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and write the pictures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--during", nargs=2, metavar=("TEXT", "FILE"), default=(None, None))
    told = parser.parse_args(arguments)
    text, file = told.during
    moment, end = record(told.command, text)
    for path, screen in ((told.file, end), (file and Path(file), moment)):
        if path and screen:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(as_svg(told.command, screen), encoding="utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
