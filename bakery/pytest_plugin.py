"""The entry point for pytest: makes ``--hosts=bakery://MACHINE`` known to testinfra.

Every pytest in an environment with bakery loads this file, so it imports nothing: what runs without a machine
of bakery does not notice.
"""

from __future__ import annotations

import sys
from typing import Any

_SCHEME = "bakery://"


def pytest_configure(config: Any) -> None:
    """Register the backend, and refuse a machine on the command line that is not there."""
    testinfra = sys.modules.get("testinfra.backend")
    if testinfra is None or "bakery" in testinfra.BACKENDS:  # a run of bakery's own brings its own
        return
    testinfra.BACKENDS["bakery"] = "bakery.testinfra_backend.MachineBackend"
    hosts = (config.getoption("hosts", None) or "").split(",")
    if named := [host.removeprefix(_SCHEME) for host in hosts if host.startswith(_SCHEME)]:
        import pytest

        from bakery.testinfra_backend import NoMachine, find_machine

        try:
            for name in named:
                find_machine(name)
        except NoMachine as error:
            raise pytest.UsageError(str(error)) from error
