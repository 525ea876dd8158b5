"""Which Ansible provisions, and on what, without importing it."""

from __future__ import annotations

import platform
from importlib import metadata

from bakery.errors import MachineError


def find_toolchain() -> tuple[str, str]:
    """The machine's architecture as the kernel names it, and the version of ansible-core that runs will use.

    Raises MachineError when ansible-core is not installed.
    """
    try:
        return platform.machine(), metadata.version("ansible-core")
    except metadata.PackageNotFoundError as error:
        raise MachineError("ansible-core is not installed", hint="install bakery again") from error
