# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of Ansible's commands a warm executor may carry out, decided for each of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.bakery.images.plugins.plugin_utils.warm_program import STARTUP_VARIABLES

_SHELL = ("/bin/sh", "-c")
# Ansible's shell plugin appends it to every command, for the exit status.
_TAIL = ("&&", "sleep", "0")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_PYTHON = re.compile(r"/[^\s]*/python[0-9.]*")
# Another user's command waits for this; a background job is started through that.
_OTHERS = re.compile(r"BECOME-SUCCESS-[a-z]|async_wrapper|ANSIBLE_ASYNC_DIR")


@dataclass(frozen=True)
class PythonRequest:
    """A module that comes through standard input: ``NAME=VALUE … INTERPRETER``."""

    interpreter: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ShellRequest:
    """A command line for ``/bin/sh -c``."""

    command: str


def recognise(
    command: Sequence[str], environment: Mapping[str, str], *, has_input: bool
) -> PythonRequest | ShellRequest | None:
    """The request that ``command`` is, or None if it takes the ordinary path.

    ``environment`` is what commands in the machine see; a setting of the task that matters to a Python only
    while it starts must be the same there.
    """
    if tuple(command[:2]) != _SHELL or len(command) != len(_SHELL) + 1:
        return None
    line = command[2]
    if _OTHERS.search(line):
        return None
    if has_input:
        python = _python(line)
        return python if python and _may_share(python.settings, environment) else None
    return ShellRequest(line)


def _python(line: str) -> PythonRequest | None:
    """``line`` taken apart, if putting it together again gives nothing but ``line``."""
    outer = _words(line)
    inner = _words(outer[2]) if len(outer) == len(_SHELL) + 1 and tuple(outer[:2]) == _SHELL else []
    if tuple(inner[-len(_TAIL) :]) != _TAIL:
        return None
    *assignments, interpreter = inner[: -len(_TAIL)] or [""]
    matches = [_ASSIGNMENT.fullmatch(word) for word in assignments]
    settings = {match[1]: match[2] for match in matches if match}
    if len(settings) != len(assignments) or not _PYTHON.fullmatch(interpreter):
        return None
    words = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    again = " ".join([*words, interpreter, *_TAIL])
    return PythonRequest(interpreter, settings) if again == " ".join(outer[2].split(" ")).strip() else None


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # an open quote: a shell would wait for more
        return []


def _may_share(settings: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    return all(
        environment.get(name) == value
        for name, value in settings.items()
        if name.startswith(STARTUP_VARIABLES)
    )
