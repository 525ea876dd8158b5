"""The address of a machine, from the kernel's table of its network."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ansible_collections.bakery.images.plugins.module_utils.machine_network import first_address

pytestmark = pytest.mark.e2e

WAIT = "import sys; print(flush=True); sys.stdin.readline()"


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        ("true", None),
        ("ip link set lo up", None),
        (
            "ip link set lo up; ip address add 192.0.2.7/24 dev lo; ip address add 192.0.2.5/32 dev lo",
            "192.0.2.5",
        ),
    ],
    ids=["nothing", "loopback", "two"],
)
def test_first_address_is_the_lowest_that_is_not_loopback(setup: str, expected: str | None) -> None:
    words = ["unshare", "--net", "sh", "-c", f'{setup}; exec "$0" -c "$1"', sys.executable, WAIT]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert first_address(process.pid) == expected
        process.communicate(b"\n")


def test_a_process_that_is_gone_has_none() -> None:
    assert first_address(2**22 + 1) is None
