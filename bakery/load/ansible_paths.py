"""Paths that Ansible takes for something else: it splits, expands and templates those in its settings."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bakery.load.mistakes import Mistakes, quote

_TEMPLATE = re.compile(r"\{[{%#]")


def check_path(path: Path, line: int | None, mistakes: Mistakes, *, what: str) -> None:
    """A mistake if Ansible cannot use ``path``; ``what`` it is begins the sentence."""
    trouble = _trouble(str(path))
    if trouble:
        mistakes.add(
            line,
            f"{what} {quote(str(path))} is no path for Ansible: {trouble}",
            "move it, or use a link to it that is called otherwise",
        )


def _trouble(path: str) -> str | None:
    if os.pathsep in path:
        return f"a '{os.pathsep}' separates paths in its settings"
    found = _TEMPLATE.search(path)
    if found:
        return f"'{found.group()}' begins a template"
    if os.path.expandvars(path) != path:
        return "a '$' begins the name of a variable of the environment"
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "it is not UTF-8"
    return None
