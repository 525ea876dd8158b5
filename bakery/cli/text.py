"""How values read to a person: sizes, times, digests, lists, and text that came from elsewhere."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

# ECMA-48 control sequences (CSI, OSC, two-byte escapes): terminals obey them; none may come from a playbook.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

# Such as those of a cloud's things.
_ID = re.compile("[a-z]+-[0-9a-f]+")


# Nothing to see, but they turn lines around, hide text or break lines; the last are bytes that are no UTF-8.
_UNSEEN = frozenset({"Cf", "Zl", "Zp", "Cs"})


def clean(text: str) -> str:
    """``text`` without escape sequences and control characters; new lines stay, tabs become spaces.

    What is there and cannot be seen is written as an escape: bidirectional marks (Unicode, "Bidirectional
    Algorithm", Annex 9), zero-width characters, line separators of Unicode, lone surrogates.
    """
    plain = _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n"))).replace("\t", "    ")
    if plain.isascii():
        return plain
    return "".join(escaped(char) if unicodedata.category(char) in _UNSEEN else char for char in plain)


def escaped(name: str) -> str:
    r"""A name, such as that of a file, whole and on one line: what is not printable is an escape (``\x1b``).

    A byte that is no UTF-8 (a surrogate of PEP 383) is shown as that byte.
    """
    if name.isprintable():
        return name
    return "".join(char if char.isprintable() else _escape(char) for char in name)


def _escape(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def one_line(text: str) -> str:
    """``text`` cleaned and on one line."""
    return " ".join(clean(text).split())


def width(text: str) -> int:
    """Columns that ``text`` takes on a terminal: wide East Asian characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns(char) for char in text)


def cut(text: str, columns: int) -> str:
    """``text`` in at most ``columns`` columns, ending in an ellipsis if something is missing."""
    if width(text) <= columns:
        return text
    kept, used = [], 1
    for char in text:
        used += _columns(char)
        if used > columns:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…" if columns > 0 else ""


def size(count: int) -> str:
    """Bytes in decimal units: ``812 B``, ``3.4 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def seconds(value: float) -> str:
    """A duration in words: ``0.4 s``, ``48 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def clock(value: float) -> str:
    """A running duration: ``0:07``, ``12:31``, ``1:02:03``."""
    whole = int(value)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"


def age(made: str, now: datetime | None = None) -> str:
    """How long ago the RFC 3339 time ``made`` was, in its largest unit; the text if it is no such time."""
    try:
        then = datetime.fromisoformat(made)
    except ValueError:
        return made
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    passed = ((now or datetime.now(UTC)) - then).total_seconds()
    if passed < 60:
        return "just now"
    for length, unit in ((86400 * 7, "week"), (86400, "day"), (3600, "hour"), (60, "minute")):
        if passed >= length * (2 if unit == "week" else 1):
            return f"{plural(int(passed // length), unit)} ago"
    return made


def plural(count: int, noun: str) -> str:
    """``1 role``, ``3 roles``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def short(digest: str | None) -> str:
    """The part of a digest or fingerprint that people compare: twelve digits without the algorithm.

    An id of another kind is shown as it is.
    """
    digits = digest.rpartition(":")[2] if digest else "-"
    return digits if _ID.fullmatch(digits) else digits[:12]


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
