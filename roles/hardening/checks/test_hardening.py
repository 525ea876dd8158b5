"""What the role hardening promises, whatever its variables are."""

import pytest


@pytest.fixture
def sshd(host):
    if not host.package("openssh-server").is_installed:
        pytest.skip("the role was told not to install an SSH daemon")
    return dict(line.split(" ", 1) for line in host.check_output("sshd -T").splitlines() if " " in line)


def test_sshd_refuses_passwords_and_root(sshd):
    assert sshd["permitrootlogin"] != "yes"
    assert sshd["permitemptypasswords"] == "no"
    assert sshd["kbdinteractiveauthentication"] == "no"


def test_sshd_forwards_neither_x11_nor_the_agent(sshd):
    assert sshd["x11forwarding"] == "no"
    assert sshd["allowagentforwarding"] == "no"


def test_sshd_offers_no_cbc_cipher_and_no_sha1(sshd):
    assert "cbc" not in sshd["ciphers"]
    assert "sha1" not in sshd["macs"]
    assert "sha1" not in sshd["kexalgorithms"]


def test_kernel_parameters_are_on_file(host):
    parameters = host.file("/etc/sysctl.d/60-hardening.conf")
    assert parameters.mode == 0o644
    assert parameters.contains("^kernel.kptr_restrict = ")


def test_password_of_root_is_disabled(host):
    assert host.user("root").password[0] in "*!"


def test_accounts_lock_after_failed_logins(host):
    auth = host.file("/etc/pam.d/common-auth").content_string
    assert "pam_faillock.so preauth" in auth
    assert "pam_faillock.so authfail" in auth


def test_secrets_of_accounts_are_not_world_readable(host):
    for path in ("/etc/shadow", "/etc/gshadow"):
        assert not host.file(path).mode & 0o007, path
    assert host.file("/root").mode == 0o700
