from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bakery.cli.text import age, clean, clock, cut, escaped, listed, plural, seconds, short, size, width

NOW = datetime(2024, 5, 10, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (812, "812 B"),
        (1000, "1.0 kB"),
        (3_400_000, "3.4 MB"),
        (123_400_000, "123 MB"),
        (10**13, "10.0 TB"),
    ],
)
def test_sizes_have_decimal_units(count: int, said: str) -> None:
    assert size(count) == said


def test_size_never_reads_as_a_thousand_of_a_unit() -> None:
    assert size(999_999) == "1.0 MB"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_durations_are_as_exact_as_they_are_short(value: float, said: str) -> None:
    assert seconds(value) == said


def test_running_clock_shows_hours_only_when_there_are_any() -> None:
    assert [clock(7), clock(751), clock(3723)] == ["0:07", "12:31", "1:02:03"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("2024-05-10T11:59:30Z", "just now"),
        ("2024-05-10T11:59:00Z", "1 minute ago"),
        ("2024-05-09T12:00:00Z", "1 day ago"),
        ("2024-04-01T12:00:00Z", "5 weeks ago"),
        ("yesterday", "yesterday"),
    ],
)
def test_age_is_told_in_its_largest_unit(made: str, said: str) -> None:
    assert age(made, NOW) == said


def test_escape_sequences_of_others_never_reach_the_terminal() -> None:
    hostile = "\x1b[31mred\x1b[0m\x1b]0;title\x07 \x1bcbell\x07 c1\x9b2J end\tx\r\nnext"
    assert clean(hostile) == "red bell c12J end    x\nnext"


def test_what_cannot_be_seen_is_shown_as_an_escape() -> None:
    assert clean("tur\u202en \u200bzero\u2028line\udcff\u00ad") == (
        "tur\\u202en \\u200bzero\\u2028line\\xff\\xad"
    )
    assert escaped("a\nb \x1b[0m\udc9b") == "a\\nb \\x1b[0m\\x9b"


def test_wide_characters_take_two_columns_and_combining_ones_none() -> None:
    assert width("日本") == 4
    assert width("e\u0301") == 1


def test_cut_text_fits_and_says_that_something_is_missing() -> None:
    assert cut("postgresql", 6) == "postg…"
    assert cut("日本語", 5) == "日本…"
    assert cut("nginx", 5) == "nginx"


def test_digests_are_shown_by_their_first_twelve_digits() -> None:
    assert short("sha256:" + "ab" * 32) == "abababababab"
    assert short(None) == "-"


def test_words_are_listed_as_in_a_sentence() -> None:
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert [plural(1, "role"), plural(2, "role")] == ["1 role", "2 roles"]
