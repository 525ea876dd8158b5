# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a warm executor in a machine on this host."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress

from ansible_collections.bakery.images.plugins.module_utils.namespaces import Namespaces
from ansible_collections.bakery.images.plugins.plugin_utils.warm_executor import (
    LOG,
    SOCKET,
    NoExecutor,
    directory_of,
)

_BACKLOG = 64


class NamespaceStarter:
    """Puts an executor into the namespaces of a machine; see Starter.

    The socket is made here, in the machine's directory, and inherited: inside the machine it has no name.
    """

    inherits_environment = False
    forwards = False

    def __init__(self, namespaces: Namespaces, environment: Mapping[str, str], directory: str) -> None:
        self._namespaces = namespaces
        self.environment = environment
        self.directory = directory

    def start(self, interpreter: str) -> None:
        """See Starter."""
        path = os.path.join(self.directory, SOCKET)
        with socket.socket(socket.AF_UNIX) as listener, open(os.path.join(self.directory, LOG), "wb") as log:
            with directory_of(self.directory) as short:
                listener.bind(f"{short}/{SOCKET}")
            os.chmod(path, 0o600)
            listener.listen(_BACKLOG)
            try:
                self._spawn(interpreter, listener.fileno(), log.fileno())
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(path)
                raise

    def reconnect(self) -> bool:
        """See Starter: there is nothing between the socket and the executor."""
        return True

    def forget(self) -> None:
        """See Starter: nothing in the machine has a name."""

    def _spawn(self, interpreter: str, listener: int, log: int) -> None:
        # Not for every task that connects.
        from ansible_collections.bakery.images.plugins.plugin_utils.warm_bundle import BOOTSTRAP, boot_input

        try:
            process = subprocess.Popen(
                [interpreter, "-c", BOOTSTRAP],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=dict(self.environment),
                pass_fds=(listener,),
                preexec_fn=self._namespaces.enter_for_good,  # noqa: PLW1509  # as in NamespaceExecutor
            )
        except FileNotFoundError as error:
            raise NoExecutor(f"the machine has no {interpreter}", expected=True) from error
        except (OSError, subprocess.SubprocessError) as error:
            raise NoExecutor(f"{interpreter} cannot be started: {error}") from error
        # If it has died already, whoever connects finds out, and its log says why.
        process.communicate(boot_input(listen=listener, interpreter=interpreter, idle_s=None))
