"""Tar headers: what Python's tarfile, an independent reader, makes of them."""

from __future__ import annotations

import io
import tarfile

import pytest
from ansible_collections.bakery.images.plugins.module_utils import tar_header
from ansible_collections.bakery.images.plugins.module_utils.tar_header import Member


def read(member: Member) -> tarfile.TarInfo:
    content = tar_header.header(member) + tar_header.END_OF_ARCHIVE
    with tarfile.open(fileobj=io.BytesIO(content), encoding="utf-8", errors="surrogateescape") as archive:
        found = archive.next()
    assert found is not None
    return found


@pytest.mark.parametrize(
    "name", [b"short", b"n" * 100, b"n" * 101, b"n/" * 2000 + b"n", b"\xff" * 50, b"\xff" * 300]
)
def test_names_of_any_length_and_bytes_survive(name: bytes) -> None:
    found = read(Member(name, link=name, kind=tar_header.SYMBOLIC_LINK))
    assert found.name.encode("utf-8", "surrogateescape") == name
    assert found.linkname.encode("utf-8", "surrogateescape") == name


@pytest.mark.parametrize("number", [0, 0o7777777, 0o7777777 + 1, 2**32 - 2])
def test_ids_of_any_size_survive(number: int) -> None:
    found = read(Member(b"f", uid=number, gid=number))
    assert (found.uid, found.gid) == (number, number)


@pytest.mark.parametrize("size", [0, 8 << 30, (8 << 30) - 1, 1 << 50])
def test_sizes_beyond_eight_gigabytes_survive(size: int) -> None:
    assert read(Member(b"f", size=size)).size == size


@pytest.mark.parametrize("mtime", [-1, -300_000_000, 0, 1_700_000_000, 1 << 36])
def test_times_before_1970_survive(mtime: int) -> None:
    assert read(Member(b"f", mtime=mtime)).mtime == mtime


def test_ordinary_members_need_one_block() -> None:
    assert len(tar_header.header(Member(b"etc/passwd", uid=1000, mtime=1_700_000_000, size=12))) == 512


def test_no_names_of_users_are_written() -> None:
    found = read(Member(b"f"))
    assert (found.uname, found.gname) == ("", "")


def test_pax_headers_have_one_fixed_name() -> None:
    first = tar_header.header(Member(b"a" * 200))
    assert first[:100].rstrip(b"\0") == b"././@PaxHeader"
    assert first == tar_header.header(Member(b"a" * 200))


@pytest.mark.parametrize("length", [*range(1, 30), 80, 81, 82, 83, 970, 971, 972, 973, 974])
def test_record_lengths_count_themselves(length: int) -> None:
    member = Member(b"f", xattrs={b"user.x": b"v" * length})
    assert read(member).pax_headers["SCHILY.xattr.user.x"] == "v" * length
