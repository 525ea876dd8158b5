# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that the target itself runs in a machine, outside of any Ansible task."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from ansible_collections.bakery.images.plugins.module_utils.executor_client import (
    CLEAN_ENVIRONMENT,
    ExecutorDied,
    TooLate,
    Way,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure


class CommandTimeout(MachineFailure):
    """A command in a machine did not end in time."""


class MachineCommand:
    """Runs commands as root in one machine, in a clean environment."""

    def __init__(self, way: Way) -> None:
        proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        self.way = way._replace(environment={**CLEAN_ENVIRONMENT, **proxies, **way.environment})

    def run(self, command: Sequence[str], *, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
        """Run a command; CommandTimeout after ``timeout_s``, MachineFailure if it cannot be started."""
        try:
            status, stdout, stderr = self.way.run(command, timeout_s=timeout_s)
        except TooLate as error:
            raise CommandTimeout(
                f"'{' '.join(command)}' in the machine took longer than {timeout_s:.0f} seconds"
            ) from error
        except (OSError, ExecutorDied) as error:
            raise MachineFailure(f"'{command[0]}' cannot be run in the machine: {error}") from error
        return subprocess.CompletedProcess(list(command), status, stdout, stderr)
