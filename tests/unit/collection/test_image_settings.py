"""The configuration of a pulled image is untrusted: what of it is taken, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.image_settings import decode_settings
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError


def test_what_images_have_is_taken_as_it_is() -> None:
    config = {
        "User": "www-data:1000",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "8000-8010/tcp": {}, "22": {}},
        "Env": ["PATH=/bin:/usr/bin", "EMPTY=", "TEXT=a=b,c\nd \u202e"],
        "Entrypoint": ["-x", ""],
        "Cmd": ["--serve"],
        "Volumes": {"/data": {}, "/sys/fs/cgroup": {}, "/var/lib/a b": {}, "/donn\u00e9es/.x": {}},
        "WorkingDir": "/srv/../srv/app",
        "Labels": {"a": "1", "": "line\nline"},
        "StopSignal": "SIGRTMIN+3",
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 0, "Retries": 3, "StartInterval": 5},
        "OnBuild": ["RUN x"],
        "Shell": ["/bin/bash", "-c"],
    }
    assert decode_settings(config, of="it") == config


@pytest.mark.parametrize("signal", ["TERM", "SIGTERM", "sigquit", "15", "RTMIN+3"])
def test_signals_have_names_and_numbers(signal: str) -> None:
    assert decode_settings({"StopSignal": signal}, of="it") == {"StopSignal": signal}


def test_null_is_nothing() -> None:
    names = (
        "User",
        "ExposedPorts",
        "Env",
        "Entrypoint",
        "Cmd",
        "Volumes",
        "WorkingDir",
        "Labels",
        "Healthcheck",
    )
    assert decode_settings(dict.fromkeys(names), of="it") == {}
    assert decode_settings({"Labels": {"a": None}, "Volumes": {"/a": None}}, of="it") == {
        "Labels": {"a": ""},
        "Volumes": {"/a": {}},
    }


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("Volumes", {"/etc:/mnt": {}}, "names '/etc:/mnt', which is not an absolute path in the container"),
        ("Volumes", {"/etc:/mnt:ro": {}}, "is not an absolute path"),
        ("Volumes", {"name:/mnt": {}}, "is not an absolute path"),
        ("Volumes", {"name": {}}, "is not an absolute path"),
        ("Volumes", {"": {}}, "is not an absolute path"),
        ("Volumes", {"/a,src=/etc": {}}, "is not an absolute path"),
        ("Volumes", {'/a"': {}}, "is not an absolute path"),
        ("Volumes", {"/a/../etc": {}}, "is not an absolute path"),
        ("Volumes", {"/a\n/b": {}}, r"names '/a\\n/b', which is not an absolute path"),
        ("Volumes", {"/a\u202e": {}}, r"names '/a\\u202e', which is not an absolute path"),
        ("Volumes", {"/": {}}, "the whole container cannot be a volume"),
        ("Volumes", {"/./": {}}, "the whole container cannot be a volume"),
        ("Volumes", ["/a"], "is not an object"),
        ("Env", ["=1"], "does not begin with a variable's NAME="),
        ("Env", [""], "does not begin with a variable's NAME="),
        ("Env", ["A\x1b[7m=1"], r"\[0\] is 'A\\x1b\[7m=1', which"),
        ("Env", ["A=1\0"], "which has a NUL character in it"),
        ("Env", ["A=\ud800"], "which is not valid Unicode"),
        ("Env", "A=1", "is not a list"),
        ("Env", [1], r"\[0\] is not text"),
        ("Env", {"A": "1"}, "is not a list"),
        ("User", "-x", "is not a user"),
        ("User", "a:b:c", "is not a user"),
        ("User", "a b", "is not a user"),
        ("User", 0, "is not text"),
        ("WorkingDir", "srv", "is not an absolute path"),
        ("WorkingDir", "/a\r", "is not an absolute path"),
        ("WorkingDir", "/proc/self/fd/7", "nothing can work in /proc"),
        ("WorkingDir", "//./proc", "nothing can work in /proc"),
        ("WorkingDir", "/srv/../proc/1/root", "nothing can work in /proc"),
        ("StopSignal", "KILL --privileged", "is not the name or number of a signal"),
        ("StopSignal", "-9", "is not the name or number of a signal"),
        ("ExposedPorts", {"80/tcp --privileged": {}}, "is not a port"),
        ("ExposedPorts", {"http": {}}, "is not a port"),
        ("ExposedPorts", 80, "is not an object"),
        ("Entrypoint", "/bin/sh", "is not a list"),
        ("Cmd", [["x"]], r"\[0\] is not text"),
        ("Labels", {"a": 1}, r"\['a'\] is not text"),
        ("Labels", {"a\0": "x"}, "NUL character"),
        ("Healthcheck", {"Interval": -1}, ".Interval is -1, which is not between"),
        ("Healthcheck", {"Interval": 1 << 63}, "which is not between"),
        ("Healthcheck", {"Interval": 10**5000}, "which is not between"),
        ("Healthcheck", {"Interval": True}, "is not a whole number"),
        ("Healthcheck", {"Interval": 1.5}, "is not a whole number"),
        ("Healthcheck", {"Test": "x"}, "is not a list"),
        ("Healthcheck", ["NONE"], "is not an object"),
        ("OnBuild", {"a": 1}, "is not a list"),
        ("Shell", "sh", "is not a list"),
    ],
)
def test_what_no_engine_should_be_told_is_refused(field: str, value: Any, problem: str) -> None:
    with pytest.raises(StoreError, match=f"^web cannot be used: {field}.*{problem}") as refused:
        decode_settings({field: value}, of="web")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("value", [None, [], "x", 1, [1]])
def test_a_configuration_is_an_object(value: Any) -> None:
    with pytest.raises(StoreError, match=r"\Aweb cannot be used: it is not an object"):
        decode_settings(value, of="web")
