"""The role set api as a whole: the application behind nginx on a hardened machine."""

import json

import pytest


@pytest.fixture(scope="module", autouse=True)
def booted(host):
    """Wait, without polling, until the machine has finished booting."""
    host.run("systemctl is-system-running --wait")


def test_no_unit_failed(host):
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_application_answers_through_nginx(host):
    assert json.loads(host.check_output("curl -fsS http://localhost/version"))["name"] == "links"
    assert json.loads(host.check_output("curl -fsS http://localhost/healthz")) == {"status": "ok"}


def test_link_made_through_nginx_redirects(host):
    made = json.loads(
        host.check_output("""curl -fsS -d '{"url": "https://example.org/"}' http://localhost/links""")
    )
    headers = host.check_output(f"curl -sSI http://localhost/{made['slug']}")
    assert "302" in headers.splitlines()[0]
    assert "https://example.org/" in headers


def test_application_is_not_reachable_around_nginx(host):
    listening = host.check_output("cat /proc/net/tcp /proc/net/tcp6").splitlines()
    addresses = {line.split()[1] for line in listening if len(line.split()) > 3 and line.split()[3] == "0A"}
    assert {address for address in addresses if address.endswith(":1F40")} == {"0100007F:1F40"}


def test_image_brings_no_links(host):
    created = float(host.check_output("stat -c %W /var/lib/app/links.sqlite"))
    assert created >= float(host.check_output("stat -c %Y /proc/1"))
