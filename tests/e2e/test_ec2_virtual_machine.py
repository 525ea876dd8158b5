"""The guard against what is only true of containers: a bake whose machines have a kernel and a disk."""

from __future__ import annotations

import pytest

from tests.e2e.ec2_account import CHECKS, NOTHING, Account, tags_of

pytestmark = pytest.mark.slow

# Emulation on processors that are busy with other things takes minutes for a boot.
_SLOW_S = 900
_EMULATED = """

def test_the_machine_is_an_emulated_one(host):
    assert "QEMU" in host.file("/proc/cpuinfo").content_string
    assert host.mount_point("/").filesystem == "ext4"
"""


def test_a_role_set_is_baked_in_a_virtual_machine(account: Account) -> None:
    world = account.world
    account.write_project(base={"id": world.vm_image}, launch={"address": "private", "timeout_s": _SLOW_S})
    (account.project / "checks" / "test_image.py").write_text(CHECKS + _EMULATED)
    result = account.bake("web").result
    assert (result["status"], result["checks"]["passed"]) == ("baked", 3)
    image = result["artifact"]["id"]
    left = account.left()
    assert left == {**NOTHING, "images": [image], "snapshots": left["snapshots"]}
    assert tags_of(account.describe(image))["bakery:status"] == "verified"
