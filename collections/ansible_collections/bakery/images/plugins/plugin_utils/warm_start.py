# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts an executor in a machine on this host, where launching it has not done so."""

from __future__ import annotations

from ansible_collections.bakery.images.plugins.module_utils.executor_client import NoExecutor as Failed
from ansible_collections.bakery.images.plugins.module_utils.executor_client import Way
from ansible_collections.bakery.images.plugins.plugin_utils.warm_executor import NoExecutor


class EngineStarter:
    """Has the container engine put an executor into a machine; see Starter."""

    inherits_environment = False
    forwards = False
    carries_all = True

    def __init__(self, way: Way) -> None:
        self._way = way
        self.environment = way.environment
        self.directory = way.directory

    def start(self, interpreter: str) -> None:
        """See Starter."""
        # Not for every task that connects.
        from ansible_collections.bakery.images.plugins.module_utils.executor_start import start_executor

        if self._way.run_by_engine(["test", "-x", interpreter]).status:
            raise NoExecutor(f"the machine has no {interpreter}", expected=True)
        try:
            start_executor(self._way, interpreter)
        except Failed as error:
            raise NoExecutor(str(error)) from error

    def reconnect(self) -> bool:
        """See Starter: there is nothing between the socket and the executor."""
        return True

    def forget(self) -> None:
        """See Starter: nothing in the machine has a name."""
