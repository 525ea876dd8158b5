"""What the role nginx promises, whatever its variables are."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def booted(host):
    """Wait, without polling, until the machine has finished booting."""
    host.run("systemctl is-system-running --wait")


def test_configuration_is_valid(host):
    result = host.run("nginx -t")
    assert result.rc == 0, result.stderr


def test_service_starts_at_boot(host):
    service = host.service("nginx")
    assert service.is_enabled
    assert service.is_running, host.run("journalctl --no-pager -u nginx").stdout


def test_only_the_master_runs_as_root(host):
    # /proc and not ps, which a small image does not have.
    listing = 'for comm in $(grep -lx nginx /proc/[0-9]*/comm); do stat -c %U "${comm%/comm}"; done'
    users = host.check_output(listing).split()
    assert users.count("root") == 1
    assert set(users) == {"root", "www-data"}


def test_log_directory_exists_after_boot(host):
    directory = host.file("/var/log/nginx")
    assert directory.is_directory
    assert not directory.mode & 0o002


def test_virtual_host_of_the_package_is_disabled(host):
    assert not host.file("/etc/nginx/sites-enabled/default").exists
