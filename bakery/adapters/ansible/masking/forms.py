"""The forms in which programs print a text. What only adds escapes or spaces to a long one is found by its
plain view; see plain_view.py.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import urllib.parse
from collections.abc import Iterator

_SAFE = ("", "/", "/:@", "-_.!~*'()", "/?:@-._~!$&'()*+,;=")
_HEX = re.compile("[0-9a-f]+")
_HEX_ESCAPES = re.compile(r"%[0-9A-F]{2}|&#x[0-9a-f]+;|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}|\\x[0-9a-f]{2}")


def escaped_forms(secret: str) -> Iterator[str]:
    """The secret as it stands, and as text formats, URLs, shells and patterns quote it; may repeat itself."""
    for form in _escaped(secret):
        yield form
        if _HEX_ESCAPES.search(form):  # no standard says which case its digits have
            yield _HEX_ESCAPES.sub(lambda found: _swap_digits(found[0]), form)


def _escaped(secret: str) -> Iterator[str]:
    yield secret
    for text in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield text
        yield text.replace("/", "\\/")
        yield json.dumps(text)[1:-1]
    yield repr(secret)[1:-1]
    yield ascii(secret)[1:-1]
    data = secret.encode("utf-8", "surrogatepass")
    yield repr(data)[2:-1]
    for safe in _SAFE:
        yield urllib.parse.quote(data, safe=safe)
    yield urllib.parse.quote_plus(data)
    yield html.escape(secret)
    yield html.escape(secret).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield html.escape(secret, quote=False)
    yield re.escape(secret)
    yield shlex.quote(secret).removeprefix("'").removesuffix("'")
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", secret, flags=re.ASCII)
    yield secret.replace("'", "''")
    yield secret.replace('"', '""')
    yield secret.replace("\n", "\\n")


def _swap_digits(escape: str) -> str:
    head = 3 if escape.startswith("&") else 2 if escape.startswith("\\") else 1
    return escape[:head] + escape[head:].swapcase()


def encoded_forms(secret: str) -> Iterator[str]:
    """The secret in base64 (RFC 4648), wherever it begins in what was encoded, and in hex."""
    data = secret.encode("utf-8", "surrogatepass")
    yield from _base64_forms(data)
    yield data.hex()


def spellings(encoded: str) -> Iterator[str]:
    """What ``encoded_forms`` gave, also in the alphabet for URLs and in capitals."""
    yield encoded
    yield encoded.replace("+", "-").replace("/", "_")
    if _HEX.fullmatch(encoded):
        yield encoded.upper()


def _base64_forms(data: bytes) -> Iterator[str]:
    """The digits that the data alone decides when it begins at byte 0, 1 and 2 of a group of three."""
    yield base64.b64encode(data).decode()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        first = -(-before * 8 // 6)
        last = (before + len(data)) * 8 // 6
        yield encoded[first:last]
