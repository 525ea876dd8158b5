from __future__ import annotations

import pytest

from bakery.cli.suggest import closest

VERBS = ("init", "doctor", "plan", "bake", "base", "show", "shell", "images", "prune")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("bkae", "bake"),
        ("Bake", "bake"),
        ("dcotor", "doctor"),
        ("image", "images"),
        ("bak", "bake"),
        ("doc", "doctor"),
    ],
)
def test_typing_mistakes_find_the_name(typed: str, meant: str) -> None:
    assert closest(typed, VERBS) == meant


@pytest.mark.parametrize("typed", ["kubernetes", "", "xyz"])
def test_another_word_finds_nothing(typed: str) -> None:
    assert closest(typed, VERBS) is None


def test_nothing_known_suggests_nothing() -> None:
    assert closest("web", ()) is None
