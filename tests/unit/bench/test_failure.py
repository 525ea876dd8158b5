"""The one line that says why a competitor failed."""

from __future__ import annotations

import pytest

from bench.failure import about_services, last_words

ANSIBLE = """
TASK [nginx : Enable and start nginx] ******************************************
[ERROR]: Task failed: Module failed: Could not find the service nginx: host
Origin: roles/nginx/tasks/main.yml:9:3

fatal: [machine]: FAILED! => {"changed": false, "msg": "Could not find the service nginx: \\"host\\""}

PLAY RECAP *********************************************************************
machine : ok=5    changed=3    unreachable=0    failed=1    skipped=0    rescued=0    ignored=0
"""


def test_message_of_a_task_says_more_than_what_follows_it() -> None:
    assert last_words(ANSIBLE) == 'Could not find the service nginx: "host"'


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("trying\nError: no such image\n", "no such image"),
        ("==> docker: error: a\nBuild errored: fatal: the second one\ncleaning up\n", "the second one"),
        ("first\nlast line\n\nPLAY RECAP ****\n", "last line"),
        ("\x1b[31mError: red\x1b[0m\n", "red"),
        ("", "it said nothing"),
    ],
)
def test_last_line_that_says_something_is_taken(output: str, why: str) -> None:
    assert last_words(output) == why


def test_long_reasons_are_cut() -> None:
    words = last_words("Error: " + "very " * 100)
    assert len(words) <= 160
    assert words.endswith("…")


@pytest.mark.parametrize(
    ("why", "about"),
    [
        ("Service is in unknown state", True),
        ("Could not find the requested service nginx: host", True),
        ("Failed to connect to bus: no D-Bus", True),
        ("No package matching 'nginx' is available", False),
    ],
)
def test_failures_over_services_are_told_apart(why: str, *, about: bool) -> None:
    assert about_services(why) is about
