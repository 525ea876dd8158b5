"""Replaces secrets in strings and in nested values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .forms import encoded_forms, escaped_forms, spellings
from .parts import COMMON, SHORTEST, parts_of
from .plain_view import plain_text, plain_view

MASK = "********"

# Shorter plain views are too often a part of two words.
_SHORTEST_VIEW = 8
# From so many characters on a piece of a longer secret is hidden; shorter ones are in every path.
_SHORTEST_PIECE = 16
_ANY_PIECE = 32
# Pieces are found by their grams; every third place of a text is looked at, which no 8 characters escape.
_GRAM = 6
_STRIDE = 3
_MOST_PLACES = 16
# A ruler of dashes tells nothing.
_FEWEST_DIFFERENT = 4


class Masker:
    """Replaces secrets in strings and in nested values; see the package for what that means."""

    def __init__(self) -> None:
        self._whole: set[str] = set()
        self._exact: dict[str, None] = {}
        self._pieces = _Pieces()

    def learn(self, plaintext: bytes) -> None:
        """Hide the plaintext and, when it is a document or has lines, its parts."""
        parts = parts_of(plaintext.decode("utf-8", errors="replace"))
        self._whole.update(parts.secrets, parts.documents)
        for document in parts.documents:
            self._exact_form(document)
        for secret in parts.secrets:
            if secret.lower() not in COMMON:
                self._learn_one(secret)

    def _learn_one(self, secret: str) -> None:
        self._exact_form(secret)
        view = self._pieces.add(secret)
        # Nobody can tell the characters \\xc2\\x80 from the byte sequence: both are looked for.
        if len(view) < _SHORTEST_PIECE or not secret.isascii():
            for form in escaped_forms(secret):
                self._exact_form(form)
        for form in encoded_forms(secret):
            if len(self._pieces.add(form)) < _SHORTEST_VIEW:
                for spelling in spellings(form):
                    self._exact_form(spelling)

    def _exact_form(self, form: str) -> None:
        if len(form) >= SHORTEST and form.lower() not in COMMON:
            self._exact[form] = None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if not self._whole:
            return text
        if text in self._whole or text.strip() in self._whole:
            return MASK
        if len(text) < SHORTEST or not self._exact:
            return text
        found = [*self._exact_spans(text), *self._pieces.spans(text)]
        return _without(text, found) if found else text

    def _exact_spans(self, text: str) -> Iterator[tuple[int, int]]:
        for form in self._exact:
            start = text.find(form)
            while start >= 0:
                yield start, start + len(form)
                start = text.find(form, start + 1)

    def value(self, value: Any) -> Any:
        """A copy of a nested value without secrets; numbers are hidden when they are one."""
        if isinstance(value, str):
            return self.text(str(value))
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        if isinstance(value, bytes | bytearray):
            return self.text(bytes(value).decode("utf-8", "backslashreplace"))
        if isinstance(value, int | float) and not isinstance(value, bool):
            said = str(value)
            return MASK if len(said) >= SHORTEST and said in self._whole else value
        return value


class _Pieces:
    """The plain views of secrets, by their grams."""

    def __init__(self) -> None:
        self._views: list[str] = []
        self._known: set[str] = set()
        self._places: dict[str, list[tuple[int, int]]] = {}

    def add(self, secret: str) -> str:
        """Know a secret, or a form of it, by its plain view, which is returned."""
        view = plain_text(secret)
        if len(view) >= _SHORTEST_VIEW and view not in self._known:
            self._known.add(view)
            self._views.append(view)
            number = len(self._views) - 1
            for place in range(len(view) - _GRAM + 1):
                gram = view[place : place + _GRAM]
                places = self._places.setdefault(gram, [])
                if len(places) < _MOST_PLACES:
                    places.append((number, place))
        return view

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where a whole secret or a long piece of one stands in a text."""
        if not self._views or len(text) < _SHORTEST_VIEW:
            return
        plain = plain_text(text)
        found = tuple(self._found_in(plain))
        if found:  # seldom: only now the places in the text itself are wanted
            view = plain_view(text)
            for start, end in found:
                yield view.starts[start], view.ends[end - 1]

    def _found_in(self, plain: str) -> Iterator[tuple[int, int]]:
        places = self._places
        reached: dict[tuple[int, int], int] = {}
        done = 0
        for place in range(0, len(plain) - _GRAM + 1, _STRIDE):
            for number, at in places.get(plain[place : place + _GRAM], ()):
                # What was found at an earlier place of the same alignment goes on to there.
                if place + _GRAM <= done or reached.get((number, at - place), 0) > place:
                    continue
                start, end = _common(plain, place, secret=self._views[number], at=at)
                reached[number, at - place] = end
                if _is_enough(plain[start:end], self._views[number]):
                    done = max(done, end)
                    yield start, end


def _is_enough(piece: str, secret: str) -> bool:
    if len(piece) == len(secret):
        return True
    enough = min(max(_SHORTEST_PIECE, len(secret) * 2 // 3), _ANY_PIECE)
    return len(piece) >= enough and len(set(piece)) >= _FEWEST_DIFFERENT


def _common(text: str, place: int, *, secret: str, at: int) -> tuple[int, int]:
    """How far text and secret agree around a place in each; the span in the text."""
    before = _agreeing(text[max(0, place - at) : place][::-1], secret[max(0, at - place) : at][::-1])
    after = _agreeing(text[place : place + len(secret) - at], secret[at:])
    return place - before, place + after


def _agreeing(one: str, other: str) -> int:
    """How many characters at the beginning are the same."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with one mask for every stretch that spans cover, overlapping ones together."""
    pieces = []
    done = 0
    start, end = -1, -1
    for begin, stop in sorted(spans):
        if begin > end:
            if end > start:
                pieces += [text[done:start], MASK]
                done = end
            start, end = begin, stop
        else:
            end = max(end, stop)
    return "".join((*pieces, text[done:start], MASK, text[end:]))
