# ruff: noqa: E501 - sentences stay whole, so that they can be searched for

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.errors import InputErrors
from bakery.load.mistakes import Mistakes
from bakery.load.yaml_nodes import Mapping, Node, plain
from bakery.load.yaml_text import parse_yaml
from bakery.model.project import VaultText


def parse(text: str, *, unsafe: bool = False) -> Any:
    mistakes = Mistakes("f.yml")
    node = parse_yaml(text, mistakes, unsafe=unsafe)
    mistakes.refuse()
    return None if node is None else plain(node)


def complaints(text: str, *, unsafe: bool = False) -> list[str]:
    with pytest.raises(InputErrors) as caught:
        parse(text, unsafe=unsafe)
    return [str(error) for error in caught.value.errors]


def complaints_if_any(text: str) -> list[str]:
    try:
        parse(text)
    except InputErrors as error:
        return [str(one) for one in error.errors]
    return []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# only a comment\n", None),
        ("a: 1\nb: [x, 2.5, true, ~]", {"a": 1, "b": ["x", 2.5, True, None]}),
        ("a: yes\nb: 'yes'\nc: off", {"a": True, "b": "yes", "c": False}),
        ("a: 0o17\nb: 017\nc: 0x1f\nd: 1_000\ne: 1:30", {"a": "0o17", "b": 15, "c": 31, "d": 1000, "e": 90}),
        ("a: !!str 1\nb: !!int '2'\nc: ! 3", {"a": "1", "b": 2, "c": "3"}),
        (
            "a: 2024-01-02\nb: 2001-12-14t21:59:43.10-05:00",
            {"a": "2024-01-02", "b": "2001-12-14t21:59:43.10-05:00"},
        ),
        ("1: a\n~: b", {1: "a", None: "b"}),
        ("a: |\n  x\n  \ty\n", {"a": "x\n\ty\n"}),
        ("a:\tb\nc: [1,\n\t2]", {"a": "b", "c": [1, 2]}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("- &x {b: 1}\n- &y {b: 2, d: 4}\n- {<<: [*x, *y]}", [{"b": 1}, {"b": 2, "d": 4}, {"b": 1, "d": 4}]),
        (
            "a: !vault |\n    $ANSIBLE_VAULT;1.1;AES256\n    6162\n",
            {"a": VaultText("$ANSIBLE_VAULT;1.1;AES256\n6162")},
        ),
        ("%YAML 1.1\n---\na: 1\n...\n", {"a": 1}),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3", "f.yml:3: the key 'a' is given twice; the first is on line 1; remove one"),
        ("a:\n\tb: 1", "f.yml:2: this line is indented with a tab; indent with spaces"),
        ("a: x\n\ty", "f.yml:2: this line is indented with a tab; indent with spaces"),
        ("- - \t- x", "f.yml:1: there is a tab where a value should begin; indent with spaces"),
        ("a: 1\n---\nb: 2", "f.yml:2: a second document starts here ('---'); keep one document in this file"),
        ("a: !foo b", "f.yml:1: the tag '!foo' is unknown; only !vault is understood; remove it"),
        ("a: !unsafe b", "f.yml:1: the tag '!unsafe' is unknown; only !vault is understood; remove it"),
        (
            "a: !!python/object:os.system x",
            "f.yml:1: the tag '!!python/object:os.system' is unknown; only !vault is understood; remove it",
        ),
        ("a: !!binary aGk=", "f.yml:1: the tag '!!binary' is unknown; only !vault is understood; remove it"),
        ("a: !!set {x}", "f.yml:1: the tag '!!set' is unknown; only !vault is understood; remove it"),
        ("a: {{ x }}", 'f.yml:1: a key must be plain text; put a template in quotes: "{{ name }}"'),
        (
            "a:\n  b: 1\n c: 2",
            "f.yml:3: this line does not fit the lines above it; check its indentation, and put text that begins with a quote or '{' in quotes as a whole",
        ),
        (
            "a: b: c",
            "f.yml:1: there is a ':' where none can be; put text that contains ': ' in quotes, or check the indentation",
        ),
        (
            "- a\nb: 1",
            "f.yml:2: this line does not fit the list above it; begin it with '- ', or check its indentation",
        ),
        ("a: >\n b\nc", "f.yml:3: a ':' is missing on the line above; write key: value"),
        ("a: 'x\nb: 1\n", "f.yml:1: the quote that opens here is not closed; close it"),
        (
            "a:\n  - [1, 2\nb: 3",
            "f.yml:2: the bracket that opens here is not closed; close it, or put the text in quotes",
        ),
        (
            "a: {x: 1\nb: 3",
            "f.yml:1: the bracket that opens here is not closed; close it, or put the text in quotes",
        ),
        (
            "a: ]",
            "f.yml:1: a value is missing here, or a bracket opens or closes alone; complete it, or put the text in quotes",
        ),
        (
            "a: [1,",
            "f.yml:1: a value is missing here, or a bracket opens or closes alone; complete it, or put the text in quotes",
        ),
        ("a: @x", "f.yml:1: a value cannot begin with '@'; put it in quotes"),
        ("a: `x`", "f.yml:1: a value cannot begin with '`'; put it in quotes"),
        (
            'a: "\\q"',
            "f.yml:1: there is an unknown escape after a backslash; use single quotes, or write the backslash twice",
        ),
        ("a: &port 80\nb: *prot", "f.yml:2: the alias '*prot' has no anchor above it; did you mean 'port'?"),
        (
            "a: *.html",
            "f.yml:1: a value that begins with '*', '&' or '!' has a meaning of its own in YAML; put it in quotes",
        ),
        (
            "a: *html",
            "f.yml:1: the alias '*html' has no anchor above it; put text that begins with '*' in quotes, or mark the value it repeats with &html",
        ),
        ("a: &x [*x]", "f.yml:1: the anchor '&x' contains itself; write the value out"),
        ("<<: 1", "f.yml:1: '<<' merges mappings; write <<: *anchor"),
        ("a: !!int x", "f.yml:1: 'x' looks like a number or truth value and is none; put it in quotes"),
        (
            "a: !!bool maybe",
            "f.yml:1: 'maybe' looks like a number or truth value and is none; put it in quotes",
        ),
        ("a: 0x_", "f.yml:1: '0x_' looks like a number or truth value and is none; put it in quotes"),
    ],
)
def test_mistakes(text: str, sentence: str) -> None:
    assert complaints(text) == [sentence]


def test_a_template_without_quotes_is_named_first() -> None:
    assert (
        complaints("a: {{ x }}/y")[0]
        == 'f.yml:1: a key must be plain text; put a template in quotes: "{{ name }}"'
    )


def test_all_duplicate_keys_and_tags_come_at_once() -> None:
    text = "a: 1\na: 2\nb: !x 1\nc: {d: 1, d: 2}\n"
    assert [line.split(": ", 1)[0] for line in complaints(text)] == ["f.yml:2", "f.yml:3", "f.yml:4"]


def test_unsafe_text_is_marked_where_it_is_allowed() -> None:
    assert parse("a: !unsafe '{{ x }}'", unsafe=True) == {"a": {"!unsafe": "{{ x }}"}}


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{" * 100_000, "- " * 100_000, "a: {" * 1000, "[a: " * 50_000]
)
def test_deep_nesting_is_refused_quickly(text: str) -> None:
    assert "nested more than 60 levels deep" in complaints(text)[0]


def test_a_billion_laughs_are_refused() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert complaints("\n".join(lines)) == [
        "f.yml:6: the aliases of this file repeat too much; write the values out"
    ]


def test_more_values_than_anybody_writes_are_refused() -> None:
    assert complaints("- x\n" * 100_001) == [
        "f.yml:100001: there are more than 100000 values up to here; is it the right file?"
    ]


def test_aliases_do_not_nest_deeper_than_text_may() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))]
    assert "repeat too much" in complaints("\n".join(lines))[0]


def test_every_key_and_value_knows_its_line() -> None:
    node: Node | None = parse_yaml("a: 1\n\nb:\n  - x\n  - y: 2\n", Mistakes("f"))
    assert isinstance(node, Mapping)
    first, second = node.entries
    assert (first.key.line, first.value.line) == (1, 1)
    assert (second.key.line, second.value.line) == (3, 4)
    assert [item.line for item in second.value.items] == [4, 5]  # type: ignore[union-attr]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert all(sentence.startswith("f.yml") for sentence in complaints_if_any(text))


@given(st.text(alphabet="ab:-?[]{}&*!|>'\"%@`#,\n\t 01.~<", max_size=60))
def test_any_yaml_like_text_is_read_or_refused(text: str) -> None:
    assert all("\n" not in sentence for sentence in complaints_if_any(text))
