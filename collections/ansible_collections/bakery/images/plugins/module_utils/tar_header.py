# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tar member headers made by hand: ustar, and PAX records only where ustar cannot say it.

Python's tarfile writes float times and is slow per member; here equal metadata always gives equal bytes:
numeric owners only, integer times, one fixed name for every PAX header, records sorted by key.
Format: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block".
"""

from __future__ import annotations

from dataclasses import dataclass, field

BLOCK = 512
END_OF_ARCHIVE = bytes(2 * BLOCK)

REGULAR = b"0"
HARD_LINK = b"1"
SYMBOLIC_LINK = b"2"
CHARACTER_DEVICE = b"3"
BLOCK_DEVICE = b"4"
DIRECTORY = b"5"
FIFO = b"6"
_PAX_HEADER = b"x"
_PAX_NAME = b"././@PaxHeader"

_NAME_BYTES = 100
_MAX_ID = 0o7777777
_MAX_SIZE = 0o77777777777
_MAX_TIME = 0o77777777777


@dataclass(frozen=True, slots=True)
class Member:
    """One tar member; names are raw bytes, ``mtime`` whole seconds, ``xattrs`` names to values."""

    name: bytes
    kind: bytes = REGULAR
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[bytes, bytes] = field(default_factory=dict)


def header(member: Member) -> bytes:
    """The header blocks of a member: a PAX header where needed, then the ustar header."""
    records = _pax_records(member)
    if not records:
        return _ustar(member)
    body = b"".join(_record(key, records[key]) for key in sorted(records))
    pax = Member(_PAX_NAME, _PAX_HEADER, size=len(body))
    return _ustar(pax) + body + padding(len(body)) + _ustar(member)


def padding(size: int) -> bytes:
    """The zeros that fill the last block of ``size`` bytes of data."""
    return bytes(-size % BLOCK)


def _pax_records(member: Member) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    for key, name in ((b"path", member.name), (b"linkpath", member.link)):
        if len(name) > _NAME_BYTES:
            records[key] = name
            if not _is_utf8(name):
                records[b"hdrcharset"] = b"BINARY"
    for key, number, limit in (
        (b"uid", member.uid, _MAX_ID),
        (b"gid", member.gid, _MAX_ID),
        (b"size", member.size, _MAX_SIZE),
        (b"mtime", member.mtime, _MAX_TIME),
    ):
        if not 0 <= number <= limit:
            records[key] = b"%d" % number
    for name, value in member.xattrs.items():
        records[b"SCHILY.xattr." + name] = value
    return records


def _record(key: bytes, value: bytes) -> bytes:
    r"""``LENGTH KEY=VALUE\n`` where LENGTH counts itself."""
    rest = b" %b=%b\n" % (key, value)
    length = len(rest) + len(b"%d" % len(rest))
    length = len(rest) + len(b"%d" % length)
    return b"%d%b" % (length, rest)


def _ustar(member: Member) -> bytes:
    major, minor = member.device
    block = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0        %b%bustar\x0000%b%07o\0%07o\0%b" % (
        member.name[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0"),
        member.mode & 0o7777,
        _within(member.uid, _MAX_ID),
        _within(member.gid, _MAX_ID),
        _within(member.size, _MAX_SIZE),
        _within(member.mtime, _MAX_TIME),
        member.kind,
        member.link[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0"),
        bytes(64),
        major,
        minor,
        bytes(167),
    )
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


def _within(number: int, limit: int) -> int:
    """The number, or 0 where a PAX record says it instead."""
    return number if 0 <= number <= limit else 0


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
