"""Records survive being stored."""

from __future__ import annotations

import dataclasses
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakery.adapters.codec import decode, encode
from bakery.model.records import (
    Attempt,
    BaseRecord,
    CheckReport,
    ImageRecord,
    LayerRecord,
    MachineEntry,
    Owner,
)

# Surrogates stand for bytes of file names that are not UTF-8 (PEP 383).
TEXT = st.text(st.characters(codec=None), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
MAPPING = st.dictionaries(TEXT, JSON, max_size=4)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
MAPPINGS = st.lists(MAPPING, max_size=3).map(tuple)
CHECKS = st.builds(
    CheckReport,
    report=st.none() | TEXT,
    failures=st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=2).map(tuple),
)
RECORDS = st.one_of(
    st.builds(BaseRecord, layers=MAPPINGS, config=MAPPING, name=TEXT),
    st.builds(LayerRecord, version=st.none() | TEXT, seconds=FLOAT, inputs=MAPPING, detail=MAPPING),
    st.builds(
        ImageRecord,
        artifact=MAPPING,
        layers=TEXTS,
        ancestry=TEXTS,
        names=TEXTS,
        checks=CHECKS,
        seconds=FLOAT,
        inputs=MAPPING,
    ),
    st.builds(MachineEntry, owner=st.builds(Owner)),
    st.builds(Attempt, role=st.none() | TEXT, layers=TEXTS, artifact=st.none() | MAPPING),
)


@settings(deadline=None)
@given(RECORDS)
def test_a_decoded_record_equals_the_encoded_one(record: object) -> None:
    assert decode(type(record), encode(record)) == record


@settings(deadline=None)
@given(RECORDS)
def test_equal_records_have_equal_text(record: object) -> None:
    assert encode(decode(type(record), encode(record))) == encode(record)
    assert encode(record).isascii()


def test_any_mapping_is_stored_as_an_object() -> None:
    owner = Owner("b", 1, 2, "boot")
    frozen = dataclasses.replace(
        Attempt("web", "null", "role", None, (), 0, "d", None, None, "m", "now"),
        artifact=types.MappingProxyType({"digest": "sha256:1"}),
    )
    assert decode(Attempt, encode(frozen)).artifact == {"digest": "sha256:1"}
    assert encode(owner) == '{"bake":"b","boot":"boot","pid":1,"start":2}'


def test_a_field_of_a_newer_bakery_is_left_out() -> None:
    assert decode(Owner, '{"bake":"b","boot":"x","pid":1,"start":2,"later":3}') == Owner("b", 1, 2, "x")


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"pid": 1}'])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        decode(Owner, text)
