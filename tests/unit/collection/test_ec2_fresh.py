from __future__ import annotations

from dataclasses import replace

from ansible_collections.bakery.images.plugins.module_utils.ec2_fresh import Found, faults, read_found
from ansible_collections.bakery.images.plugins.module_utils.ec2_user_data import Keys

KEYS = Keys(user_public="ssh-ed25519 USER bakery:m2", host_public="ssh-ed25519 HOST", host_private="")
GOOD = Found(
    instance="i-1",
    booted=1000.0,
    made={"/etc/machine-id": 1001.0, "/etc/ssh/ssh_host_ed25519_key.pub": 1004.0},
    machine_id="0123456789abcdef0123456789abcdef",
    host_keys=("ssh-ed25519 HOST root@ip-10-0-0-1",),
    authorized=(("/root/.ssh/authorized_keys", "ssh-ed25519 USER bakery:m2"),),
)
TEXT = """\
@@bakery instance
i-1
@@bakery clock
1100
5000.00 12345.67
490000
@@bakery made
1001 /etc/machine-id
1004 /etc/ssh/ssh_host_ed25519_key.pub
@@bakery machine-id
0123456789abcdef0123456789abcdef
@@bakery host-keys
ssh-ed25519 HOST root@ip-10-0-0-1
@@bakery authorized
/root/.ssh/authorized_keys ssh-ed25519 USER bakery:m2
"""


def wrong(found: Found) -> str:
    (sentence,) = faults(found, "i-1", KEYS)
    return sentence


def test_a_machine_tells_when_its_files_were_made_and_when_it_booted() -> None:
    # Up for 5000 s on the kernel's clock, of which the first process has seen the last 100.
    assert read_found(TEXT) == GOOD


def test_a_new_machine_has_no_faults() -> None:
    assert faults(GOOD, "i-1", KEYS) == []


def test_cloud_init_must_have_run_for_this_instance() -> None:
    assert wrong(replace(GOOD, instance="i-0")) == "cloud-init ran for i-0 and not for i-1"
    assert wrong(replace(GOOD, instance="")) == "cloud-init ran for no instance and not for i-1"


def test_a_machine_id_that_came_with_the_image_is_found() -> None:
    assert "/etc/machine-id is older" in wrong(replace(GOOD, made={**GOOD.made, "/etc/machine-id": 900.0}))
    assert "is no machine id" in wrong(replace(GOOD, machine_id=""))


def test_an_image_that_brought_no_machine_id_has_none_of_another_machine() -> None:
    made = {**GOOD.made, "/etc/machine-id": 900.0}
    assert faults(replace(GOOD, machine_id="uninitialized", made=made), "i-1", KEYS) == []


def test_a_host_key_that_came_with_the_image_is_found() -> None:
    old = replace(GOOD, made={**GOOD.made, "/etc/ssh/ssh_host_rsa_key.pub": 1.0})
    assert "ssh_host_rsa_key.pub is older" in wrong(old)
    assert "not the one that it was given" in wrong(replace(GOOD, host_keys=("ssh-ed25519 OTHER",)))


def test_a_key_of_the_bake_that_is_still_let_in_is_found() -> None:
    left = ("/home/admin/.ssh/authorized_keys", "no-pty ssh-ed25519 OLD bakery:m1")
    assert "lets in a key of another machine of bakery (bakery:m1)" in wrong(
        replace(GOOD, authorized=(*GOOD.authorized, left))
    )


def test_keys_that_a_role_installed_are_nobodys_business() -> None:
    theirs = ("/home/ops/.ssh/authorized_keys", "ssh-ed25519 THEIRS ops@example.org")
    assert faults(replace(GOOD, authorized=(*GOOD.authorized, theirs)), "i-1", KEYS) == []
