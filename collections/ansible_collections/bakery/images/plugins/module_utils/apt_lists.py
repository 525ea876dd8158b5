# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of package lists as apt has them (apt-get(8), ``/var/lib/apt/lists``), read with bounds."""

from __future__ import annotations

import mmap
import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from ansible_collections.bakery.images.plugins.module_utils.beneath import DIRECTORY, open_regular

_NO_LIST = frozenset({"lock", "partial", "auxfiles"})
_INDEX = "_Packages"
# What apt makes of a list where it is told to keep it compressed (apt.conf(5), Acquire::GzipIndexes).
_COMPRESSED_INDEX = re.compile(r"_Packages\.[a-z0-9]+\Z")
# Debian's main has 50 MiB and 65,000 packages, Ubuntu's universe 75 MiB and 70,000.
MOST_IN_LISTS = 2 << 30
_MOST_FILES, _MOST_IN_INDEX = 2000, 256 << 20
# The longest in Debian's main has 75 KiB before its digest: features of a Rust library.
_MOST_IN_PARAGRAPH = 256 << 10
# How often indexes may name each archive: once, and again where it is in several suites.
_MOST_SUITES, _MORE = 4, 100
# deb-control(5); paragraphs are parted by empty lines.
_DIGEST = re.compile(rb"\nSHA256: ([0-9a-f]{64})\n")
_FIELDS = [
    re.compile(rb"^%s: ([!-~]{1,200})$" % field, re.MULTILINE)
    for field in (b"Package", b"Version", b"Architecture")
]
ARCHIVE_NAME = re.compile(r"\A[a-z0-9][^/]*_[^/]*\.deb\Z")


class ListsRefusedError(Exception):
    """Package lists that are not shared: more than anybody has, or of a kind that is not read here."""


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of a directory of the host's own making."""
    descriptor = os.open(path, DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def list_names(lists: int) -> list[str]:
    """The names of the lists, regular files all, in a directory; ListsRefusedError beyond the bounds."""
    names, size = [], 0
    with os.scandir(lists) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if entry.name in _NO_LIST or not stat.S_ISREG(status.st_mode):
                continue
            names.append(entry.name)
            size += status.st_size
            if len(names) > _MOST_FILES or size > MOST_IN_LISTS:
                raise ListsRefusedError
    return sorted(names)


def archives_named(lists: int, digests: Collection[str]) -> dict[str, str]:
    """The archives that ``lists`` name with one of the SHA256 ``digests``: apt's file name to digest.

    A name with several of the digests is left out. ListsRefusedError if an index is compressed or too large.
    """
    named: dict[str, str] = {}
    several: set[str] = set()
    count = 0
    for index in list_names(lists):
        if _COMPRESSED_INDEX.search(index):
            raise ListsRefusedError
        if index.endswith(_INDEX):
            for name, digest in _archives_in(lists, index, digests):
                count += 1
                if count > _MOST_SUITES * len(digests) + _MORE:
                    raise ListsRefusedError
                if name and named.setdefault(name, digest) != digest:
                    several.add(name)
    return {name: digest for name, digest in named.items() if name not in several}


def _archives_in(lists: int, index: str, digests: Collection[str]) -> Iterator[tuple[str | None, str]]:
    descriptor = open_regular(lists, index)
    if descriptor is None:
        return
    with os.fdopen(descriptor, "rb") as source:
        size = os.fstat(source.fileno()).st_size
        if size > _MOST_IN_INDEX:
            raise ListsRefusedError
        if not size or not digests:
            return  # what is empty cannot be mapped
        with mmap.mmap(source.fileno(), size, access=mmap.ACCESS_READ) as text:
            for match in _DIGEST.finditer(text):
                digest = match[1].decode()
                if digest in digests:
                    yield _name(_paragraph(text, match.start())), digest


def _paragraph(text: mmap.mmap, place: int) -> bytes:
    """What is before ``place`` in the paragraph around it; fields are short where they count."""
    start = text.rfind(b"\n\n", max(0, place - _MOST_IN_PARAGRAPH), place)
    if start < 0 and place > _MOST_IN_PARAGRAPH:
        return b""
    return text[max(0, start) : place]


def _name(paragraph: bytes) -> str | None:
    """``package_version_architecture.deb``, quoted as apt's pkgAcqArchive does (apt-pkg/acquire-item.cc)."""
    found = [match[1].decode() for field in _FIELDS if (match := field.search(paragraph))]
    if len(found) < len(_FIELDS):
        return None
    package, version, architecture = found
    name = f"{_quoted(package, '_:')}_{_quoted(version, '_:')}_{_quoted(architecture, '_:.')}.deb"
    return name if ARCHIVE_NAME.match(name) else None


def _quoted(word: str, bad: str) -> str:
    return "".join(f"%{ord(letter):02x}" if letter in bad or letter == "%" else letter for letter in word)
