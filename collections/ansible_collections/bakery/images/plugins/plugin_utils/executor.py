# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the connection plugin runs something in a machine: one protocol, and its ordinary implementations.

The faster one (``warm_executor.py``) hands whatever it does not recognise to one of these.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any, Protocol, runtime_checkable

from ansible_collections.bakery.images.plugins.module_utils.executor_client import (
    Outcome,
    Way,
    run_bounded,
)


@runtime_checkable
class Executor(Protocol):
    """Runs commands inside one machine, as the user that its tasks start as."""

    def run(self, command: Sequence[str], *, stdin: bytes | IO[bytes] | None = None) -> Outcome:
        """Run ``command`` to its end, with ``stdin`` as its input (nothing if None)."""

    def put(self, source: IO[bytes], path: str) -> Outcome:
        """Write ``source`` to ``path``; the outcome's ``stderr`` says why if its status is not 0."""

    def fetch(self, path: str, sink: IO[bytes]) -> Outcome:
        """Write the content of the file ``path`` to ``sink``; the outcome is as that of ``put``."""

    def close(self) -> None:
        """Let go of the machine; what runs in it is not touched."""


class CommandsOnly:
    """Files moved by commands: a process in the machine opens them, whatever is a link there."""

    def run(self, command: Sequence[str], *, stdin: bytes | IO[bytes] | None = None) -> Outcome:
        raise NotImplementedError

    def put(self, source: IO[bytes], path: str) -> Outcome:
        """See Executor."""
        return self.run(["/bin/sh", "-c", 'cat > "$1"', "sh", path], stdin=source)

    def fetch(self, path: str, sink: IO[bytes]) -> Outcome:
        """See Executor."""
        outcome = self.run(["/bin/sh", "-c", 'cat < "$1"', "sh", path])
        sink.write(outcome.stdout)
        return outcome


class EngineExecutor(CommandsOnly):
    """Asks the container engine for every command (``podman exec``)."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self._words = way.exec_words(interactive=True)

    def run(self, command: Sequence[str], *, stdin: bytes | IO[bytes] | None = None) -> Outcome:
        """See Executor."""
        return self.way.checked(
            run_process([*self._words, *command], stdin, env=self.way.engine_environment())
        )

    def close(self) -> None:
        """See Executor."""


def proxy_environment() -> dict[str, str]:
    """The proxy variables of this process, which the machine needs as much as we do."""
    names = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
    wanted = {*names, *(name.upper() for name in names)}
    return {name: value for name, value in os.environ.items() if name in wanted}


def run_process(words: Sequence[str], stdin: bytes | IO[bytes] | None, **options: Any) -> Outcome:
    """Run a process of this host to its end; ``options`` are those of subprocess."""
    return run_bounded(words, stdin or b"", **options)
