"""Which commands a warm executor may carry out."""

from __future__ import annotations

import pytest
from ansible_collections.bakery.images.plugins.plugin_utils.warm_requests import (
    PythonRequest,
    ShellRequest,
    recognise,
)

ENVIRONMENT = {"PYTHONHASHSEED": "0", "LANG": "C.UTF-8"}


def of(line: str, *, has_input: bool = True) -> PythonRequest | ShellRequest | None:
    return recognise(["/bin/sh", "-c", line], ENVIRONMENT, has_input=has_input)


def test_module_is_a_request_for_its_interpreter() -> None:
    assert of("/bin/sh -c '/usr/bin/python3 && sleep 0'") == PythonRequest("/usr/bin/python3")


def test_settings_of_the_task_are_taken_apart() -> None:
    line = """/bin/sh -c 'A=1 B='"'"'two words'"'"' /usr/bin/python3.11 && sleep 0'"""
    assert of(line) == PythonRequest("/usr/bin/python3.11", {"A": "1", "B": "two words"})


def test_setting_with_every_odd_character_is_taken_apart() -> None:
    import shlex

    value = "a'b\"c$(d)`e` f;g&&h\\i\n*ü=:"
    line = "/bin/sh -c " + shlex.quote(f"A={shlex.quote(value)} /usr/bin/python3 && sleep 0")
    assert of(line) == PythonRequest("/usr/bin/python3", {"A": value})


@pytest.mark.parametrize(
    "line",
    [
        "/bin/sh -c 'A=$HOME /usr/bin/python3 && sleep 0'",
        "/bin/sh -c 'A=`id` /usr/bin/python3 && sleep 0'",
        "/bin/sh -c '/usr/bin/python3 -E && sleep 0'",
        "/bin/sh -c '/usr/bin/python3'",
        "/bin/sh -c '/usr/bin/perl && sleep 0'",
        "/bin/sh -c 'python3 && sleep 0'",
        "/bin/sh -c 'cd / && /usr/bin/python3 && sleep 0'",
        "/bin/sh -c '/usr/bin/python3 && sleep 0; id'",
        "/bin/sh -c '/usr/bin/python3 && sleep 0' extra",
        "/bin/bash -c '/usr/bin/python3 && sleep 0'",
        "/bin/sh -c '/usr/bin/python3 && sleep 0",
        "",
    ],
)
def test_whatever_a_shell_would_read_otherwise_takes_the_ordinary_path(line: str) -> None:
    assert of(line) is None


@pytest.mark.parametrize("setting", ["LC_ALL=C", "PYTHONPATH=/x", "LD_PRELOAD=/x.so", "PYTHONHASHSEED=1"])
def test_setting_that_matters_to_a_python_that_starts_takes_the_ordinary_path(setting: str) -> None:
    assert of(f"/bin/sh -c '{setting} /usr/bin/python3 && sleep 0'") is None


def test_such_a_setting_that_the_machine_has_anyway_does_not_matter() -> None:
    request = of("/bin/sh -c 'PYTHONHASHSEED=0 /usr/bin/python3 && sleep 0'")
    assert request == PythonRequest("/usr/bin/python3", {"PYTHONHASHSEED": "0"})


def test_command_without_input_is_for_the_shell() -> None:
    line = "/bin/sh -c 'echo ~ && sleep 0'"
    assert of(line, has_input=False) == ShellRequest(line)


@pytest.mark.parametrize(
    "line",
    [
        "/bin/sh -c 'su -s /bin/sh baker -c \"echo BECOME-SUCCESS-abc ; id\"'",
        "/bin/sh -c 'ANSIBLE_ASYNC_DIR=/run/x /usr/bin/python3 /tmp/async_wrapper.py j1 60 && sleep 0'",
    ],
)
@pytest.mark.parametrize("has_input", [True, False])
def test_other_users_and_background_jobs_take_the_ordinary_path(line: str, has_input: bool) -> None:
    assert of(line, has_input=has_input) is None


def test_command_that_is_no_shell_line_takes_the_ordinary_path() -> None:
    assert recognise(["/bin/sh", "-c", 'cat > "$1"', "sh", "/x"], ENVIRONMENT, has_input=True) is None
