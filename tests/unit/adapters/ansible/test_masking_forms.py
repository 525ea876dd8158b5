"""A secret is hidden in whatever form a program prints it."""

from __future__ import annotations

import ast
import base64
import html
import json
import pprint
import re
import shlex
import subprocess
import textwrap
import urllib.parse
from collections.abc import Callable
from xml.sax.saxutils import escape as xml_escape

import pytest
import yaml
from ansible.plugins.filter import core
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from jinja2.filters import do_urlencode

from bakery.adapters.ansible.masking import _COMMON, MASK, Masker

Encode = Callable[[str], str]

LINES = "-----BEGIN KEY-----\nMIIEow1BAAKCAQEAx7Qz\nq0 'it''s' \"x\" \\d\nZz9=\n-----END KEY-----\n"
SECRETS = (
    "it's/a#S3cret&p%w^d+9",
    "pässwörd-ключ-🔑-0815",
    'C:\\new\\temp "quoted" {{ x }} <b>&amp;</b>',
    "correct horse battery staple, and more",
    "%41%2f already \\u0041 escaped &lt;",
    "s3cr3t",
    "a$b!",
)

WRITTEN: dict[str, Encode] = {
    "as it stands": str,
    "urlencode of Ansible": do_urlencode,
    "quote without safe": lambda text: urllib.parse.quote(text, safe=""),
    "quote_plus": urllib.parse.quote_plus,
    "form": lambda text: urllib.parse.urlencode({"k": text}).removeprefix("k="),
    "percent, all of it": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent in small digits": lambda text: re.sub(
        "%..", lambda found: found[0].lower(), urllib.parse.quote(text, safe="")
    ),
    "regex_escape of Ansible": core.regex_escape,
    "regex_escape for POSIX": lambda text: core.regex_escape(text, "posix_basic"),
    "re.escape": re.escape,
    "html": html.escape,
    "html without quotes": lambda text: html.escape(text, quote=False),
    "html in decimal": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "xml": xml_escape,
    "json": lambda text: json.dumps(text)[1:-1],
    "json as UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json with escaped slashes": lambda text: json.dumps(text).replace("/", "\\/")[1:-1],
    "json in json": lambda text: json.dumps(json.dumps({"a": text})),
    "json in json in json": lambda text: json.dumps(json.dumps(json.dumps(text))),
    "url in json": lambda text: json.dumps(urllib.parse.quote(text)),
    "json in a url": lambda text: urllib.parse.quote(json.dumps(text)),
    "url in a url": lambda text: urllib.parse.quote(urllib.parse.quote(text)),
    "repr": lambda text: repr(text)[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "repr of bytes": lambda text: repr(text.encode())[2:-1],
    "repr of a repr": lambda text: repr(repr([text])),
    "shell": shlex.quote,
    "shell in shell": lambda text: shlex.quote(f"echo {shlex.quote(text)}"),
    "backslashes": lambda text: re.sub(r"(\W)", r"\\\1", text.replace("\n", "\\n")),
    "csv": lambda text: text.replace('"', '""'),
    "single quotes of YAML": lambda text: yaml.safe_dump(text, default_style="'", width=4096),
    "double quotes of YAML": lambda text: yaml.safe_dump(text, default_style='"', width=4096),
    "folded YAML": lambda text: yaml.safe_dump({"k": {"l": text}}, width=12, default_style='"'),
    "to_nice_yaml of Ansible": lambda text: core.to_nice_yaml({"k": [text]}),
    "to_nice_json of Ansible": lambda text: core.to_nice_json({"k": [text]}),
    "indented": lambda text: textwrap.indent(text, "    "),
    "a column of pytest": lambda text: textwrap.indent(text, "E       "),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "b64encode of Ansible": core.b64encode,
    "base64 with more before": lambda text: base64.b64encode(b"u:" + text.encode()).decode(),
    "base64 with one more before": lambda text: base64.b64encode(b":" + text.encode() + b"\n").decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(b"user" + text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "hex of a dump": lambda text: text.encode().hex(" "),
}  # fmt: skip

# Without what in escapes of two digits could as well be the bytes of other characters.
ALPHABET = st.characters(
    codec="utf-8", exclude_categories=("Cc",), exclude_characters="".join(map(chr, range(0xC2, 0xF5)))
)
# Too much for a secret of few characters, and for one that is full of escapes itself.
UNUSUAL = {"folded YAML", "html in decimal", "percent, all of it", "backslashes", "url in a url"}


def hidden_by(*secrets: str) -> Masker:
    made = Masker()
    for secret in secrets:
        made.learn(secret.encode())
    return made


def rest(masked: str) -> str:
    """What of a masked text could still be of a secret."""
    return re.sub(r"(?:^|\s)(?:E|[kl]:|-|user|echo)(?=\s)|[\W_]", "", masked.replace(MASK, ""))


USUAL = [(name, secret) for secret in SECRETS for name in WRITTEN if len(secret) >= 8 or name not in UNUSUAL]


@pytest.mark.parametrize(("name", "secret"), USUAL)
def test_every_form_is_hidden(name: str, secret: str) -> None:
    encode = WRITTEN[name]
    written = encode(secret)
    masked = hidden_by(secret).text(f"x = <{written}>, then")
    assert MASK in masked
    assert written not in masked
    said = masked.removeprefix("x = <").removesuffix(">, then")
    # Base64 with more around it may keep the digits that are not the secret's alone.
    assert len(rest(said)) <= 9, masked


@pytest.mark.parametrize("name", WRITTEN)
def test_every_form_of_a_key_of_several_lines_is_hidden(name: str) -> None:
    masked = hidden_by(LINES).text(f"got: {WRITTEN[name](LINES)}")
    for piece in ("MIIE", "AQEA", "it", "Zz9", "TUlJ", "4d4949"):
        assert piece not in masked.lower().replace("with", ""), masked


@settings(deadline=None, max_examples=300)
@given(
    st.text(ALPHABET, min_size=8, max_size=40),
    st.sampled_from(sorted(set(WRITTEN) - UNUSUAL)),
)
@example("0" * 8 + "\\n" + "&quot;a", "json")
def test_no_form_of_any_secret_gets_through(secret: str, name: str) -> None:
    assume(len(re.sub(r"\W", "", secret)) >= 8 and secret.strip().lower() not in _COMMON)
    written = WRITTEN[name](secret)
    assert written.strip() not in hidden_by(secret).text(f"before {written} after")


@given(st.text(min_size=1, max_size=60), st.text(min_size=4, max_size=20))
@settings(deadline=None)
def test_what_holds_no_secret_stays_as_it_is(text: str, secret: str) -> None:
    plain = "".join(char for char in text if char not in secret)
    assert hidden_by(secret).text(plain) == plain


def test_a_wrapped_secret_is_hidden_at_any_width() -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    for columns in range(5, 50):
        wrapped = "\n    ".join(textwrap.wrap(f"the key is {secret}.", columns, break_long_words=True))
        assert rest(hidden_by(secret).text(wrapped).replace("the", "").replace("key", "")) == "is"


@pytest.mark.parametrize(
    ("printed", "left"),
    [
        ("'wJalrXUtnFEMI/K7MDENG/bPxRf...", "'********..."),
        ("...FEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'", "...********'"),
        ("head: wJalrX", "head: wJalrX"),
    ],
)
def test_most_of_a_long_secret_is_hidden_like_all_of_it(printed: str, left: str) -> None:
    assert hidden_by("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").text(printed) == left


def test_what_pytest_leaves_of_a_key_is_hidden() -> None:
    """It shortens long texts in their middle (_pytest._io.saferepr)."""
    from _pytest._io.saferepr import saferepr

    body = base64.b64encode(bytes(range(256)) * 3).decode()
    key = (
        "-----BEGIN PRIVATE KEY-----\n" + "\n".join(textwrap.wrap(body, 64)) + "\n-----END PRIVATE KEY-----\n"
    )
    masked = hidden_by(key).text(f"assert {saferepr(key)} == ''")
    assert masked.replace(MASK, "") in {
        "assert '...' == ''",
        "assert '...\\n' == ''",
        "assert '\\n...\\n' == ''",
    }


def test_short_lines_of_a_key_are_hidden() -> None:
    made = hidden_by("-----BEGIN-----\nabcdefgh01\nij1=\nfi\n-----END-----\n")
    assert made.text("the last line is ij1=") == f"the last line is {MASK}"
    assert made.text("a sofa that fits") == "a sofa that fits"


def test_the_values_of_settings_and_the_password_in_an_address_are_hidden() -> None:
    made = hidden_by('# DB\nDB_USER=shop01\nexport DB_PASSWORD="hunter2hunter2"\n')
    assert made.text("user shop01 has hunter2hunter2") == f"user {MASK} has {MASK}"
    made = hidden_by("postgres://app:p%40ss-w0rd@db.example/shop?x=1")
    assert made.text("login p@ss-w0rd or p%40ss-w0rd at db") == f"login {MASK} or {MASK} at db"


def test_a_comment_in_a_vaulted_file_is_hidden_and_the_names_of_its_values_are_not() -> None:
    made = hidden_by("# before 2024 it was hunter2hunter2\npostgresql_admin_password: tooSimple-99\n")
    assert made.text("'postgresql_admin_password' is undefined") == "'postgresql_admin_password' is undefined"
    assert "hunter2" not in made.text("cat: # before 2024 it was hunter2hunter2")
    assert "99" not in made.text("postgresql_admin_password: tooSimple-99")


def test_very_short_secrets_do_not_garble_everything() -> None:
    made = hidden_by("a", "no", "7", "x1z")
    assert made.text("a banana, no 7, x1z") == "a banana, no 7, x1z"
    assert made.value({"a": ["no", "x1z", " x1z\n"], "rc": 7}) == {MASK: [MASK, MASK, MASK], "rc": 7}


def test_overlapping_secrets_leave_nothing_of_each_other() -> None:
    assert hidden_by("abcd12", "12efgh").text("<abcd12efgh>") == f"<{MASK}>"


def test_a_ruler_in_a_secret_hides_no_other_ruler() -> None:
    made = hidden_by("title\n" + "=" * 60 + "\nhunter2hunter2")
    assert made.text("=" * 30) == "=" * 30


def test_what_the_shell_prints_is_hidden() -> None:
    """bash's own quoting: the trace of -x, declare -p and printf %q."""
    secret = 'it\'s "a" $ecret\\with\tall & more'
    script = 'set -x; : "$1"; declare -p s=1 2>/dev/null; s=$1; declare -p s; printf "%q\\n" "$1"'
    done = subprocess.run(
        ["bash", "-c", script, "sh", secret],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    masked = hidden_by(secret).text(done.stdout)
    assert not {"ecret", "more", "with"} & set(re.findall(r"[a-z]+", masked)), masked


def test_nested_and_odd_values_are_hidden() -> None:
    made = hidden_by("hunter2hunter2")
    shown = pprint.pformat({"k": ["hunter2hunter2"]}, width=5)
    assert "hunter2" not in made.text(shown)
    assert made.value({"k": (b"hunter2hunter2", {"hunter2hunter2"})}) == {"k": [MASK, [MASK]]}
    assert ast.literal_eval(made.text("['hunter2hunter2']")) == [MASK]
