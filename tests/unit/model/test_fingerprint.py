from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.model.fingerprint import canonical_json, fingerprint, fingerprint_variables, keyed, sealed
from bakery.model.project import VaultText

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=12,
)


def test_canonical_json_sorts_keys_and_leaves_out_spaces() -> None:
    assert canonical_json({"b": [1, 2.5], "a": None}) == b'{"a":null,"b":[1,2.5]}'


def test_order_counts_only_when_asked_for() -> None:
    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert canonical_json(one) == canonical_json(other)
    assert canonical_json(one, ordered=True) != canonical_json(other, ordered=True)


def test_types_that_look_alike_have_different_forms() -> None:
    looks = [1, 1.0, "1", True, None, "", [], {}, [1], {"1": 1}, {1: 1}, {"\0pairs": [[1, 1]]}]
    looks += [date(2024, 1, 1), "2024-01-01", {"\0date": "2024-01-01"}, datetime(2024, 1, 1, tzinfo=UTC)]
    assert len({canonical_json(look) for look in looks}) == len(looks)


def test_a_tuple_is_a_list() -> None:
    assert canonical_json((1, "a")) == canonical_json([1, "a"])


def test_names_that_are_not_utf8_have_a_form() -> None:
    assert canonical_json({b"caf\xe9".decode("utf-8", "surrogateescape"): 1}) == b'{"caf\\udce9":1}'


@pytest.mark.parametrize("value", [VaultText("x"), {"a": [VaultText("x")]}, {1, 2}, b"bytes", object()])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="has no canonical form"):
        canonical_json(value)


def test_parts_of_a_fingerprint_are_told_apart() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc") != fingerprint("abc")
    assert fingerprint("a", {"x": 1}) == fingerprint("a", {"x": 1})
    assert len(fingerprint()) == 64


def test_a_secret_shows_only_as_a_keyed_hash() -> None:
    value = {"password": VaultText("$ANSIBLE_VAULT;1.1;AES256\n6162"), "list": [VaultText("b"), "plain"]}
    text = canonical_json(sealed(b"key", value)).decode()
    assert "6162" not in text
    assert keyed(b"key", VaultText("b")) in text
    assert "plain" in text
    assert canonical_json(sealed(b"key", value)) == canonical_json(sealed(b"key", value))
    assert canonical_json(sealed(b"key", value)) != canonical_json(sealed(b"other key", value))


def test_variables_are_digests_sorted_by_name() -> None:
    digests = fingerprint_variables(b"k", {"b": {"x": 1, "y": 2}, "a": "plain"})
    assert list(digests) == ["a", "b"]
    assert "plain" not in str(digests)
    assert digests["b"] != fingerprint_variables(b"k", {"b": {"y": 2, "x": 1}})["b"]


def test_plain_variables_have_the_same_digest_whatever_the_secret() -> None:
    assert fingerprint_variables(b"k", {"a": [1]}) == fingerprint_variables(b"other", {"a": [1]})
    secret = {"a": VaultText("c")}
    assert fingerprint_variables(b"k", secret) != fingerprint_variables(b"other", secret)


@given(VALUES, VALUES)
def test_only_equal_values_share_a_form(one: object, other: object) -> None:
    assert (canonical_json(one) == canonical_json(other)) == (repr_sorted(one) == repr_sorted(other))


def repr_sorted(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{key!r}:{repr_sorted(item)}" for key, item in value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(repr_sorted, value)) + "]"
    return repr(value)
