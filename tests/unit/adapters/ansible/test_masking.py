"""No form in which a secret is usually printed gets through."""

from __future__ import annotations

import base64
import json
import os

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bakery.adapters.ansible.masking import _COMMON, MASK, Ledger, Masker


def masker(*plaintexts: str) -> Masker:
    made = Masker()
    for plaintext in plaintexts:
        made.learn(plaintext.encode())
    return made


@settings(deadline=None)
@given(st.text(min_size=4, max_size=30), st.text(max_size=10), st.text(max_size=10))
def test_a_secret_is_in_no_text(secret: str, before: str, after: str) -> None:
    secret = secret.strip()
    assume(len(secret) >= 4 and secret.lower() not in _COMMON)
    assume(secret not in before + MASK + after)
    assume(secret not in MASK)
    masked = masker(secret).text(f"{before} {secret} {after}")
    assert secret not in masked or secret in f"{before} {MASK} {after}"


@pytest.mark.parametrize(
    "text",
    [
        'pa"ss\\word',
        json.dumps('pa"ss\\word'),
        repr('pa"ss\\word\n'),
        base64.b64encode(b'pa"ss\\word').decode(),
        "pa%22ss%5Cword",
    ],
)
def test_escaped_forms_are_hidden(text: str) -> None:
    assert "word" not in masker('pa"ss\\word').text(f"x {text} y")


def test_a_vaulted_file_hides_its_values_and_not_its_keys() -> None:
    document = (
        "db:\n  user: shopuser\n  pin: 123456\n  on: true\n  none: ~\n"
        "keys:\n  - |\n    first line of key\n    second line\n"
    )
    made = masker(document)
    assert (
        made.text("db user is shopuser, pin 123456, second line") == f"db user is {MASK}, pin {MASK}, {MASK}"
    )
    assert made.value({"pin": 123456, "on": True, "count": 12}) == {"pin": MASK, "on": True, "count": 12}


def test_every_line_of_a_key_is_hidden() -> None:
    assert masker("-----BEGIN-----\nabcdefgh\nijklmnop\n").text("got ijklmnop") == f"got {MASK}"


def test_short_values_are_hidden_whole_and_not_inside() -> None:
    made = masker("app")
    assert made.value(["app", "apple", {"x": "app"}]) == [MASK, "apple", {"x": MASK}]


def test_words_of_every_playbook_are_not_hidden_inside() -> None:
    assert masker("state: present\n").text("it is present here") == "it is present here"


def test_a_longer_secret_leaves_no_rest() -> None:
    assert masker("secret", "secret-and-more").text("secret-and-more") == MASK


def test_a_document_that_holds_itself_is_no_trouble() -> None:
    assert masker("a: &x\n  - *x\n  - hidden\n").text("hidden") == MASK


def test_unreadable_plaintexts_are_no_trouble() -> None:
    made = Masker()
    made.learn(b"\xff\xfe binary \x00")
    made.learn(b"")
    made.learn(b"a: [")
    assert made.text("fine") == "fine"


def test_the_ledger_is_shared_with_forks() -> None:
    ledger = Ledger()
    ledger.add(b"mine")
    for number in range(3):
        child = os.fork()
        if child == 0:
            ledger.add(b"theirs" * 2000 + str(number).encode())
            os._exit(0)
        os.waitpid(child, 0)
    ledger.add(b"mine")
    assert ledger.news() == (b"mine", *(b"theirs" * 2000 + str(number).encode() for number in range(3)))
    assert ledger.news() == ()
