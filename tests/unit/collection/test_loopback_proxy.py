"""Proxies that a machine cannot reach, by the module and by the doctor's probe alike."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.loopback_proxy import loopback_proxies

PROBE = (
    Path(__file__).parents[3]
    / "collections/ansible_collections/bakery/images/roles/target_container/files/doctor/proxy.sh"
)


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("http_proxy", "http://127.0.0.1:3128", "127.0.0.1:3128"),
        ("HTTPS_PROXY", "http://user:SENTINEL@127.8.9.1:3128/", "127.8.9.1:3128"),
        ("all_proxy", "localhost:3128", "localhost:3128"),
        ("http_proxy", "http://localhost", "localhost"),
        ("https_proxy", "http://[::1]:3128", "[::1]:3128"),
        ("http_proxy", "http://proxy.localhost:1", "proxy.localhost:1"),
        ("http_proxy", "http://10.0.0.1:3128", None),
        ("http_proxy", "http://proxy.example.com:3128", None),
        ("http_proxy", "http://localhost.example.com:3128", None),
        ("http_proxy", "", None),
        ("no_proxy", "localhost,127.0.0.1", None),
        ("PATH", "/bin", None),
    ],
)
def test_a_proxy_on_the_loopback_is_told(name: str, value: str, place: str | None) -> None:
    told = loopback_proxies({name: value})
    assert bool(told) is bool(place)
    if place:
        assert told[0].startswith(f"the proxy {place} of {name} is on the loopback of this host")
        assert "SENTINEL" not in told[0]
    done = subprocess.run(
        ["/bin/sh", str(PROBE)],
        env={"PATH": "/usr/bin:/bin", name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 1) is bool(place)
    assert "SENTINEL" not in done.stdout + done.stderr


def test_what_is_no_address_is_no_trouble() -> None:
    assert loopback_proxies({"http_proxy": "http://[::1", "https_proxy": "http://h:port"}) == []


def test_one_proxy_by_two_names_is_told_once() -> None:
    assert len(loopback_proxies({"http_proxy": "http://[::1]:1", "HTTP_PROXY": "http://[::1]:1"})) == 1
