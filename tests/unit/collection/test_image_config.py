"""Image configurations: what a role set says, over what its base has."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.image_config import image_config
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError


def config(
    image: dict[str, Any] | None = None, base: dict[str, Any] | None = None, *, has_init: bool = False
) -> Any:
    return image_config(image or {}, base or {}, has_init=has_init)


def test_an_image_without_a_command_boots_its_init() -> None:
    assert config(has_init=True) == {"Cmd": ["/sbin/init"], "StopSignal": "SIGRTMIN+3"}
    assert config() == {}
    assert config({"cmd": ["nginx"]}, has_init=True) == {"Cmd": ["nginx"]}
    assert config(base={"Entrypoint": ["/run"]}, has_init=True) == {"Entrypoint": ["/run"]}


def test_an_entrypoint_drops_the_bases_cmd() -> None:
    base = {"Entrypoint": ["/old"], "Cmd": ["old"]}
    assert config({"entrypoint": ["/new"]}, base) == {"Entrypoint": ["/new"]}
    assert config({"entrypoint": ["/new"], "cmd": ["new"]}, base) == {"Entrypoint": ["/new"], "Cmd": ["new"]}
    assert config({"cmd": ["new"]}, base) == {"Entrypoint": ["/old"], "Cmd": ["new"]}


def test_a_string_command_goes_through_the_shell() -> None:
    assert config({"cmd": "a && b"}) == {"Cmd": ["/bin/sh", "-c", "a && b"]}


def test_collections_are_laid_over_the_bases() -> None:
    base = {
        "Env": ["A=1", "B=2=3"],
        "Labels": {"a": "1"},
        "ExposedPorts": {"22/tcp": {}},
        "Volumes": {"/a": {}},
    }
    image = {"env": {"B": "4", "C": ""}, "labels": {"b": 2}, "ports": [80, "53/udp"], "volumes": ["/b"]}
    assert config(image, base) == {
        "Env": ["A=1", "B=4", "C="],
        "Labels": {"a": "1", "b": "2"},
        "ExposedPorts": {"22/tcp": {}, "80/tcp": {}, "53/udp": {}},
        "Volumes": {"/a": {}, "/b": {}},
    }


def test_nulls_of_a_docker_config_are_left_out() -> None:
    assert config(base={"Env": None, "Cmd": [], "User": "", "Labels": None, "WorkingDir": "/"}) == {
        "WorkingDir": "/"
    }


def test_a_bases_bare_variable_gets_an_empty_value() -> None:
    assert config(base={"Env": ["TOKEN", "A=1"]}) == {"Env": ["TOKEN=", "A=1"]}


def test_a_base_cannot_pass_for_a_machine() -> None:
    """Engines give an image's labels to its containers, and the sweep finds machines by theirs."""
    labels = {"io.bakery.home": "/var/lib/bakery", "io.bakery.machine": "x", "vendor": "y"}
    assert config(base={"Labels": labels}) == {"Labels": {"vendor": "y"}}


def test_fields_of_no_meaning_are_left_out() -> None:
    base = {"Hostname": "x", "Image": "sha256:1", "Tty": True, "Cmd": ["x"]}
    assert config(base=base) == {"Cmd": ["x"]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [(30, 30.0), (1.5, 1.5), ("30s", 30.0), ("1m30s", 90.0), ("2h", 7200.0), ("500ms", 0.5), ("7", 7)],
)
def test_healthcheck_times_are_nanoseconds(given: object, expected: float) -> None:
    found = config({"healthcheck": {"test": "true", "interval": given, "retries": 3}})["Healthcheck"]
    assert found == {"Test": ["CMD-SHELL", "true"], "Interval": int(expected * 1e9), "Retries": 3}


@pytest.mark.parametrize(
    ("given", "expected"),
    [(["curl", "-f"], ["CMD", "curl", "-f"]), (["NONE"], ["NONE"]), (["CMD-SHELL", "x"], ["CMD-SHELL", "x"])],
)
def test_healthcheck_words_are_a_command(given: list[str], expected: list[str]) -> None:
    assert config({"healthcheck": {"test": given}})["Healthcheck"]["Test"] == expected


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"ports": ["http"]}, "'http' is not a port"),
        ({"cmd": {"a": 1}}, "neither a list of words nor a string"),
        ({"healthcheck": {"interval": 1}}, "has no 'test'"),
        ({"healthcheck": {"test": "x", "timeout": "soon"}}, "timeout 'soon' is no duration"),
        ({"healthcheck": {"test": "x", "timeout": ""}}, "is no duration"),
        ({"volumes": ["/etc:/mnt"]}, r"Volumes names '/etc:/mnt', which is not an absolute path"),
    ],
)
def test_values_that_no_engine_takes_are_sentences(image: dict[str, Any], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        config(image)
