"""Results in a page."""

from __future__ import annotations

import pytest

from bench.places import README
from bench.readme import BEGIN, END, replaced


def test_only_what_stands_between_the_marks_changes() -> None:
    assert replaced(f"a\n{BEGIN}\nold\n{END}\nb\n", "new") == f"a\n{BEGIN}\n\nnew\n\n{END}\nb\n"


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for results"):
        replaced(f"a {BEGIN}", "new")


def test_readme_has_a_place_for_results() -> None:
    assert replaced(README.read_text(), "new")
