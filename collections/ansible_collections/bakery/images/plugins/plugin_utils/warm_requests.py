# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of Ansible's commands a warm executor may carry out, decided for each of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ansible_collections.bakery.images.plugins.module_utils.executor_program import STARTUP_VARIABLES

_SHELL = ("/bin/sh", "-c")
# Ansible's shell plugin appends it to every command, for the exit status.
_TAIL = ("&&", "sleep", "0")
_INTERPRETER = "python"
# Another user's command waits for the first; background jobs are started through the others.
_OTHERS = ("BECOME-SUCCESS-", "async_wrapper", "ANSIBLE_ASYNC_DIR")


# This is imported anew for every task: nothing here is worth a millisecond of making classes and patterns.
class PythonRequest(NamedTuple):
    """A module that comes through standard input: ``NAME=VALUE … INTERPRETER``."""

    interpreter: str
    settings: Mapping[str, str] = {}


class ShellRequest(NamedTuple):
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
    if any(word in line for word in _OTHERS):
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
    settings = {}
    for word in assignments:
        name, equals, settings[name] = word.partition("=")
        if not equals or not name.isidentifier():
            return None
    if len(settings) != len(assignments) or not _is_python(interpreter):
        return None
    words = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    again = " ".join([*words, interpreter, *_TAIL])
    return PythonRequest(interpreter, settings) if again == " ".join(outer[2].split(" ")).strip() else None


def _is_python(path: str) -> bool:
    """Whether a path ends in ``python`` and perhaps a version."""
    name = path.rpartition("/")[2]
    version = name.removeprefix(_INTERPRETER).replace(".", "")
    return path.startswith("/") and name.startswith(_INTERPRETER) and (not version or version.isdecimal())


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
