"""What the role app promises, whatever its variables are."""

import json

import pytest


@pytest.fixture(scope="module", autouse=True)
def booted(host):
    """Wait, without polling, until the machine has finished booting."""
    host.run("systemctl is-system-running --wait")


@pytest.fixture(scope="module")
def settings(host):
    lines = host.file("/etc/default/app").content_string.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@pytest.fixture(scope="module")
def request_json(host, settings):
    """A function from path and curl's options to status and content."""

    def request(path, options=""):
        answer = host.check_output(
            f"curl -sS {options} -w '\\n%{{http_code}}' http://{settings['APP_LISTEN']}{path}"
        )
        body, _, status = answer.rpartition("\n")
        return int(status), json.loads(body) if body.strip() else None

    return request


def test_service_starts_at_boot(host):
    service = host.service("app")
    assert service.is_enabled
    assert service.is_running, host.run("journalctl --no-pager -u app").stdout


def test_service_does_not_run_as_root(host):
    pid = host.check_output("systemctl show --value --property MainPID app")
    assert host.check_output(f"stat -c %U /proc/{pid}") == "app"


def test_service_is_healthy(request_json):
    assert request_json("/healthz") == (200, {"status": "ok"})


def test_service_tells_its_version(request_json):
    status, content = request_json("/version")
    assert status == 200
    assert content["name"] == "links"
    assert content["version"]


def test_link_can_be_made_followed_and_removed(request_json):
    status, link = request_json(
        "/links", """-H 'Content-Type: application/json' -d '{"url": "https://example.org/x"}'"""
    )
    assert status == 201
    status, followed = request_json(f"/{link['slug']}")
    assert (status, followed["url"], followed["visits"]) == (302, "https://example.org/x", 1)
    assert request_json(f"/links/{link['slug']}", "-X DELETE") == (204, None)
    assert request_json(f"/links/{link['slug']}")[0] == 404


def test_link_to_a_script_is_refused(request_json):
    status, _ = request_json("/links", """-d '{"url": "javascript:alert(1)"}'""")
    assert status == 400


def test_service_ends_gracefully_on_sigterm(host):
    assert host.run("systemctl restart app").rc == 0
    result = host.check_output("systemctl show --property Result,ExecMainStatus app").split()
    assert sorted(result) == ["ExecMainStatus=0", "Result=success"]


def test_data_belongs_to_the_service_alone(host, settings):
    directory = host.file("/var/lib/app")
    assert (directory.user, directory.group, directory.mode) == ("app", "app", 0o750)
    assert host.file(settings["APP_DATABASE"]).user == "app"


def test_nginx_passes_requests_on(host):
    if not host.file("/etc/nginx/sites-enabled/app.conf").exists:
        pytest.skip("the role was told to leave nginx alone")
    name = host.check_output(r"sed -n 's/^ *server_name \([^ ;]*\).*/\1/p' /etc/nginx/sites-enabled/app.conf")
    port = host.check_output(r"sed -n 's/^ *listen \([0-9]*\).*/\1/p' /etc/nginx/sites-enabled/app.conf")
    answer = host.check_output(f"curl -fsS -H 'Host: {name}' http://127.0.0.1:{port}/version")
    assert json.loads(answer)["name"] == "links"
