"""Reads a text file that a user wrote, or says in a sentence why not."""

from __future__ import annotations

import re
from pathlib import Path

from bakery.errors import InputError, Place
from bakery.load.mistakes import shown_path

# Far above anything written by hand, and parsed within a second or two.
MOST_BYTES = 5_000_000

# What YAML 1.1 (5.1) does not allow in a text, tab and line breaks aside. NUL tells binaries.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


def read_text(path: Path) -> str:
    """The text of ``path``, without a byte order mark.

    Raises InputError if it is missing, no regular file, unreadable, longer than 5 MB, binary or not UTF-8.
    """
    shown = shown_path(path)
    content = read_bytes(path)
    if not content.isascii():
        _refuse_other_encodings(content, shown)
    text = content.decode("utf-8-sig")
    bad = re.search("\0", text) or _CONTROL.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        where = Place(shown, line)
        if bad.group() == "\0":
            raise InputError("this is a binary file, not text", where=where, hint="is it the right file?")
        character = f"U+{ord(bad.group()):04X}"
        raise InputError(f"there is a control character ({character})", where=where, hint="remove it")
    return text


def read_bytes(path: Path) -> bytes:
    """The content of a regular file of at most 5 MB; InputError says what is wrong otherwise."""
    where = Place(shown_path(path))
    try:
        if path.is_dir():
            raise InputError("this is a directory, not a file", where=where)
        if path.exists() and not path.is_file():
            raise InputError("this is neither a file nor a directory", where=where)
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"this file cannot be read: {reason(error)}", where=where) from error
    except ValueError as error:  # a NUL in the name
        raise InputError("this is no file name", where=where) from error
    if len(content) > MOST_BYTES:
        raise InputError("this file is larger than 5 MB", where=where, hint="is it the right file?")
    return content


def reason(error: OSError) -> str:
    """Why the system refused, as part of a sentence."""
    words = error.strerror or type(error).__name__
    return words[:1].lower() + words[1:]


def _refuse_other_encodings(content: bytes, shown: str) -> None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        binary = b"\0" in content and content[:2] not in {b"\xff\xfe", b"\xfe\xff"}
        what = "a binary file, not text" if binary else f"not UTF-8 (byte 0x{content[error.start]:02x})"
        hint = "is it the right file?" if binary else "save the file as UTF-8"
        raise InputError(f"this is {what}", where=Place(shown, line), hint=hint) from error
