r"""A text without what quoting, escaping, wrapping and indenting add to it.

``pass\u0077ord``, ``pass%77ord`` and ``pass\n    word`` look alike in it, so that one search finds a secret
however it was printed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_ESCAPE = re.compile(
    r"(?:%[0-9A-Fa-f]{2})+"
    r"|(?:\\x[0-9A-Fa-f]{2})+"
    r"|(?:\\[0-3][0-7]{2})+"
    r"|(?:\\u[0-9A-Fa-f]{4})+"
    r"|\\U00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4}"
    r"|\\[abefnrtvNLP_]"
    r"|\\\\"
    r"|\\"
    r"|&(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"
)
# A plus is a space in a form, and it and a hyphen begin the lines of a difference, and items.
_FILLING = re.compile(r"[\s\"'+\x00-\x1f-]+")
_NO_FILLING = dict.fromkeys(map(ord, " \t\n\r\v\f\"'+-"))
# The alphabets of base64 differ in a hyphen and in this one (RFC 4648, section 5).
_ALIKE = {ord("_"): "/"}
_FAST = {**dict.fromkeys(range(0x20)), **_NO_FILLING, **_ALIKE}
# Each round takes one level of escaping away; nobody prints a text more often escaped.
_ROUNDS = 5


def plain_text(text: str) -> str:
    """The plain view of a text."""
    for _ in range(_ROUNDS):
        if not ("\\" in text or "%" in text or "&" in text):
            break
        fewer = _ESCAPE.sub(lambda escape: _meaning(escape[0]), text)
        if fewer == text:
            break
        text = fewer
    return _lower(_without_filling(text).translate(_ALIKE))


def _without_filling(text: str) -> str:
    return text.translate(_FAST) if text.isascii() else _FILLING.sub("", text)


def _lower(text: str) -> str:
    lower = text.lower()
    return lower if len(lower) == len(text) else text


@dataclass(frozen=True)
class PlainView:
    """Character ``i`` of ``text`` comes from ``starts[i]`` to ``ends[i]`` of the original."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


def plain_view(text: str) -> PlainView:
    """The plain view of a text with the places of its characters; slower than ``plain_text``."""
    view = PlainView(text, range(len(text)), range(1, len(text) + 1))
    for _ in range(_ROUNDS):
        fewer = _reduced(view, _ESCAPE, _meaning)
        if fewer.text == view.text:
            break
        view = fewer
    view = _reduced(view, _FILLING, lambda _: "")
    return PlainView(_lower(view.text.translate(_ALIKE)), view.starts, view.ends)


def _reduced(view: PlainView, pattern: re.Pattern[str], meaning: Callable[[str], str]) -> PlainView:
    """The view with each match replaced by its meaning."""
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for found in pattern.finditer(view.text):
        begin, end = found.span()
        said = meaning(found[0])
        pieces += (view.text[done:begin], said)
        starts += (*view.starts[done:begin], *[view.starts[begin]] * len(said))
        ends += (*view.ends[done:begin], *[view.ends[end - 1]] * len(said))
        done = end
    pieces.append(view.text[done:])
    return PlainView("".join(pieces), [*starts, *view.starts[done:]], [*ends, *view.ends[done:]])


def _meaning(escape: str) -> str:
    """The text that an escape stands for; nothing for what stands for space, and for the mark alone."""
    if escape[0] == "&":
        return html.unescape(escape)
    kind = escape[1:2] if escape[0] == "\\" else "%"
    match kind:
        case "%" | "x":
            said = _text_of(bytes.fromhex(escape.replace("%", "").replace("\\x", "")))
        case "u":
            said = bytes.fromhex(escape.replace("\\u", "")).decode("utf-16-be", "replace")
        case "U":
            said = chr(int(escape.removeprefix("\\U"), 16))
        case "0" | "1" | "2" | "3":
            said = _text_of(bytes(int(part, 8) for part in escape.split("\\")[1:]))
        case _:
            said = "\\" if kind == "\\" else ""
    return said


def _text_of(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
