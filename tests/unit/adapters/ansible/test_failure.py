"""What is said of a failed task, and what is known about its trouble."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakery.adapters.ansible.failure import failure_message
from bakery.adapters.ansible.hints import with_hint

CAUSES = [
    "Task failed.",
    "Module failed.",
    "Error executing command.",
    "[Errno 2] No such file or directory: b'x'",
]
RESULT = {"msg": "Error executing command.", "rc": 2, "cmd": "x --now", "bakery_causes": CAUSES}


def test_the_cause_that_is_kept_apart_is_told() -> None:
    said = "Error executing command: No such file or directory: x (rc 2)"
    assert failure_message(RESULT) == said
    assert (
        failure_message({"msg": "One or more items failed", "results": [{"failed": True, **RESULT}]}) == said
    )


def test_a_cause_that_the_message_has_is_not_told_twice() -> None:
    told = "rename failed: [Errno 16] Device or resource busy: b'/a' -> b'/b'"
    causes = ["Module failed.", told, "[Errno 16] Device or resource busy: b'/a' -> b'/b'"]
    assert failure_message({"msg": told, "bakery_causes": causes}) == told


def test_a_message_without_causes_is_as_it_was() -> None:
    assert failure_message({"msg": "broken"}) == "broken"
    assert failure_message({"msg": "Module failed: broken", "bakery_causes": "odd"}) == "broken"
    assert failure_message({}) == "the module gave no reason"


def test_hidden_output_hides_the_cause() -> None:
    assert "SENTINEL" not in failure_message({"censored": "hidden", "bakery_causes": ["SENTINEL"]})
    hidden = {"failed": True, "censored": "hidden", "bakery_causes": ["SENTINEL"]}
    assert "SENTINEL" not in failure_message({"results": [hidden]})


def test_facts_that_cannot_be_gathered_speak_through_the_module_that_failed() -> None:
    failed = {"msg": "interpreter '/usr/bin/python3' was not found", "failed": True}
    result = {"msg": "The following modules failed to execute: x", "failed_modules": {"setup": failed}}
    assert failure_message(result) == "interpreter '/usr/bin/python3' was not found"


def hint(text: str, root: Path = Path("/nowhere")) -> str:
    told = with_hint(text, root)
    assert told.startswith(text)
    return told[len(text) :].removeprefix("\nhint: ")


@pytest.mark.parametrize(
    "text",
    [
        "couldn't resolve module/action 'community.general.timezone'. This often indicates",
        "Syntax error in template: No filter named 'community.general.json_query'.",
        "The lookup plugin 'community.general.dig' was not found.",
        "Could not load 'community.general.x': Invalid plugin FQCN",
        "the role 'community.general.x' was not found in roles",
    ],
)
def test_an_absent_collection_is_named_with_its_place_and_the_line_to_add(text: str, tmp_path: Path) -> None:
    said = hint(text, tmp_path)
    assert said.startswith("the collection community.general is not there")
    assert "collections/ of the project" in said
    assert "'- name: community.general' below 'collections:' in collections/requirements.yml" in said
    (tmp_path / "collections/ansible_collections/community/general").mkdir(parents=True)
    assert "does not have it" in hint(text, tmp_path)


def test_a_short_name_that_is_unknown_says_where_modules_of_collections_are() -> None:
    said = hint("couldn't resolve module/action 'timezone'. This often indicates a misspelling")
    assert "namespace.collection.module" in said
    assert "collections/ of the project" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The module interpreter '/usr/bin/python3' was not found.", "Python 3"),
        ("/bin/sh: 1: /usr/bin/python3: not found", "Python 3"),
        ("/bin/sh: /usr/local/bin/python3.11: No such file or directory", "Python 3"),
        ("Reboot command failed. Error was: ', Failed to schedule shutdown'", "cannot reboot"),
        ("Call to Reboot failed: Access denied", "cannot reboot"),
        ("[Errno 16] Device or resource busy: b'/etc/.tmp' -> b'/etc/hosts'", "belong to the engine"),
        ("Failed to set static hostname: Device or resource busy", "belong to the engine"),
        ("hostname: you must be root to change the host name", "belong to the engine"),
        ("Source /tmp/archive.txt not found", "/tmp is empty on the machine of each role"),
        ("Source '/var/tmp/a.tgz' does not exist", "/var/tmp is empty"),
        ("No such file or directory: '/tmp/x'", "/tmp is empty"),
        ("cat: /run/x: No such file or directory", "/run is empty"),
        ("E: Couldn't create temporary file /tmp/apt.conf.X", "mode 1777"),
    ],
)
def test_known_troubles_have_their_cure(text: str, words: str) -> None:
    assert words in hint(text)


@pytest.mark.parametrize(
    "text",
    [
        "broken",
        "No such file or directory: /etc/app",
        "Device or resource busy: /mnt/data",
        "/opt/tmp/x not found",
        # A role's own command.
        "/bin/sh: 1: python: not found",
        "bash: line 1: python3: command not found",
        "ls: /usr/lib/python3: No such file or directory",
        "env: 'python': No such file or directory",
        "/tmp/ansible_x/y not found",
        "the filter is a string, not a community.general.x",
    ],
)
def test_other_troubles_have_none(text: str) -> None:
    assert hint(text) == ""


def test_a_proxy_on_the_loopback_is_blamed_only_where_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Could not connect to 127.0.0.1:13128 (127.0.0.1). - connect (111: Connection refused)"
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert hint(text) == ""
    monkeypatch.setenv("http_proxy", "http://user:SENTINEL@127.0.0.1:13128")
    said = hint(text)
    assert said.startswith("the proxy 127.0.0.1:13128 is on the loopback of this host")
    assert "SENTINEL" not in said
