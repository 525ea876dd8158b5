"""What is kept of apt's downloads is kept by its digest and given by the digest that lists name."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.apt_lists import (
    ListsRefusedError,
    archives_named,
    opened,
)
from ansible_collections.bakery.images.plugins.module_utils.apt_store import AptStore

GOOD, BAD = b"good archive", b"bad! archive"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def paragraph(package: str, content: bytes, *, version: str = "1", architecture: str = "amd64") -> str:
    return (
        f"Package: {package}\nVersion: {version}\nArchitecture: {architecture}\n"
        f"Filename: pool/{package}.deb\nSize: {len(content)}\nSHA256: {digest(content)}\nTag: a\n"
    )


def filled(files: Mapping[str, str | bytes]) -> Callable[[str], None]:
    def fill(directory: str) -> None:
        for name, content in files.items():
            Path(directory, name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return fill


def named(directory: Path, *contents: bytes) -> dict[str, str]:
    with opened(str(directory)) as lists:
        return archives_named(lists, {digest(content) for content in contents})


def test_archive_is_named_as_apt_names_it(tmp_path: Path) -> None:
    text = "\n".join(
        (
            paragraph("first", b"1", version="1:2.0~rc1+b1-1"),
            paragraph("g++-12", b"2", version="12.2_x", architecture="all"),
            paragraph("last", b"3"),
        )
    )
    (tmp_path / "debian_Packages").write_text(text)
    assert named(tmp_path, b"1", b"2", b"3") == {
        "first_1%3a2.0~rc1+b1-1_amd64.deb": digest(b"1"),
        "g++-12_12.2%5fx_all.deb": digest(b"2"),
        "last_1_amd64.deb": digest(b"3"),
    }
    assert named(tmp_path, b"2").keys() == {"g++-12_12.2%5fx_all.deb"}
    assert named(tmp_path) == {}


@pytest.mark.parametrize("package", ["../../../etc/cron.d/x", "a/b", ".hidden", "/etc/x", ""])
def test_index_cannot_name_a_file_elsewhere(tmp_path: Path, package: str) -> None:
    (tmp_path / "x_Packages").write_text(paragraph(package, GOOD))
    assert named(tmp_path, GOOD) == {}


def test_digest_in_the_text_of_another_field_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "x_Packages").write_text(
        f"Package: a\nDescription: b\n SHA256: {digest(GOOD)}\n\nVersion: 1\n"
    )
    assert named(tmp_path, GOOD) == {}


def test_name_with_two_digests_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "a_Packages").write_text(paragraph("sl", GOOD))
    (tmp_path / "b_Packages").write_text(paragraph("sl", BAD))
    assert named(tmp_path, GOOD, BAD) == {}


def test_only_regular_files_are_lists(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo_Packages")
    (tmp_path / "link_Packages").symlink_to("/proc/self/mem")
    (tmp_path / "directory_Packages").mkdir()
    assert named(tmp_path, GOOD) == {}


@pytest.mark.parametrize("name", ["debian_Packages.lz4", "debian_Packages.xz"])
def test_compressed_index_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ListsRefusedError):
        named(tmp_path, GOOD)


def test_index_that_is_a_bomb_is_refused(tmp_path: Path) -> None:
    for size in (1 << 30, 1 << 40):
        with (tmp_path / "x_Packages").open("wb") as bomb:
            bomb.truncate(size)
        with pytest.raises(ListsRefusedError):
            named(tmp_path, GOOD)


def test_thousands_of_lists_are_refused(tmp_path: Path) -> None:
    for number in range(2001):
        (tmp_path / f"{number}_Packages").touch()
    with pytest.raises(ListsRefusedError):
        named(tmp_path, GOOD)


def test_index_that_names_one_archive_again_and_again_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x_Packages").write_text(f"Package: a\nSHA256: {digest(GOOD)}\n" * 30_000)
    with pytest.raises(ListsRefusedError):
        named(tmp_path, GOOD)


def test_rubbish_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "x_Packages").write_bytes(b"\n\nSHA256: " + digest(GOOD).encode() + b"\n\xff\x00" * 2000)
    (tmp_path / "empty_Packages").touch()
    assert named(tmp_path, GOOD) == {}


@pytest.fixture
def store(tmp_path: Path) -> AptStore:
    return AptStore(str(tmp_path))


def take(store: AptStore, path: Path, content: bytes, wanted: bytes) -> bool:
    path.write_bytes(content)
    with path.open("rb") as archive:
        return store.take(archive.fileno(), digest(wanted))


def test_archive_is_kept_only_under_its_own_digest(store: AptStore, tmp_path: Path) -> None:
    assert not take(store, tmp_path / "a", BAD, GOOD)
    assert names(tmp_path / "cache/apt/archives") == []
    assert take(store, tmp_path / "a", GOOD, GOOD)
    assert names(tmp_path / "cache/apt/archives") == [digest(GOOD)]


def test_kept_archive_is_a_copy(store: AptStore, tmp_path: Path) -> None:
    """Who has the file still open or another name for it does not have what is kept."""
    take(store, tmp_path / "a", GOOD, GOOD)
    (tmp_path / "a").write_bytes(BAD)
    assert (tmp_path / "cache/apt/archives" / digest(GOOD)).read_bytes() == GOOD


def test_lists_come_with_the_archives_that_they_name(store: AptStore, tmp_path: Path) -> None:
    take(store, tmp_path / "a", GOOD, GOOD)
    take(store, tmp_path / "a", BAD, BAD)
    store.keep("debian", filled({"d_Packages": paragraph("sl", GOOD)}), updated=time.time())
    store.keep("hostile", filled({"d_Packages": paragraph("sl", BAD)}), updated=time.time())
    for key, content in (("debian", GOOD), ("hostile", BAD)):
        found = store.find(key)
        assert found is not None
        assert Path(found.archives, "sl_1_amd64.deb").read_bytes() == content


def test_newer_lists_take_the_place_of_older_ones(store: AptStore) -> None:
    now = time.time()
    for updated in (now - 60, now):
        store.keep("key", filled({"d_Packages": paragraph("sl", GOOD)}), updated=updated)
    found = store.find("key")
    assert found is not None
    assert found.updated == pytest.approx(now)
    store.outdate("key")
    outdated = store.find("key")
    assert outdated is not None
    assert outdated.updated == 0


def test_refused_lists_leave_nothing(store: AptStore, tmp_path: Path) -> None:
    with pytest.raises(ListsRefusedError):
        store.keep("key", filled({"d_Packages.lz4": ""}), updated=time.time())
    assert store.find("key") is None
    assert names(tmp_path / "cache/apt/lists") == []


def test_lists_that_are_very_old_are_forgotten(store: AptStore) -> None:
    for key, updated in (("old", time.time() - 90 * 86_400), ("new", time.time())):
        store.keep(key, filled({"d_Packages": paragraph("sl", GOOD)}), updated=updated)
    assert store.find("old") is None
    assert store.find("new") is not None
