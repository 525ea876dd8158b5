"""The role set web as a whole: nginx on a hardened machine."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def booted(host):
    """Wait, without polling, until the machine has finished booting."""
    host.run("systemctl is-system-running --wait")


def test_no_unit_failed(host):
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_page_is_served(host):
    answer = host.run("curl -fsS http://localhost/")
    assert answer.rc == 0, answer.stderr
    assert "<h1>It works</h1>" in answer.stdout


def test_health_check_answers(host):
    assert host.check_output("curl -fsS http://localhost/healthz") == "ok"


def test_answers_do_not_tell_the_version_of_nginx(host):
    headers = host.check_output("curl -fsSI http://localhost/").lower()
    assert "server: nginx" in headers
    assert "nginx/" not in headers


def test_requests_are_logged(host):
    host.check_output("curl -sS http://localhost/asked-by-the-check")
    assert host.file("/var/log/nginx/access.log").contains("/asked-by-the-check")


def test_ssh_daemon_has_keys_of_this_machine(host):
    assert host.run("sshd -t").rc == 0
    assert host.service("ssh").is_running
    key, boot = (
        float(host.check_output(f"stat -c %Y {path}"))
        for path in ("/etc/ssh/ssh_host_ed25519_key", "/proc/1")
    )
    assert key >= boot, "the SSH host key is older than the boot: it was baked into the image"


def test_operators_may_use_sudo(host):
    assert host.user("deploy").group == "operators"
    assert "NOPASSWD: ALL" in host.check_output("sudo -l -U deploy")
