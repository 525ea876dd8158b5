"""The digest of apt's sources is made of a tree that hostile software filled: bounded, and led nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.apt_sources import newest_change, sources_key


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for path, text in {
        "etc/apt/sources.list.d/debian.sources": "Types: deb\n",
        "etc/apt/preferences.d/pin": "Package: *\n",
        "usr/share/keyrings/debian.gpg": "key",
        "var/lib/dpkg/arch": "amd64\n",
    }.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    return tree


@pytest.mark.parametrize(
    "path", ["etc/apt/sources.list", "etc/apt/apt.conf.d/1", "usr/share/keyrings/x.gpg", "var/lib/dpkg/arch"]
)
def test_every_source_counts(tree: Path, path: str) -> None:
    before = sources_key(str(tree))
    (tree / path).parent.mkdir(exist_ok=True)
    (tree / path).write_text("other")
    assert before is not None
    assert sources_key(str(tree)) not in (None, before)


def test_pins_and_times_do_not_count(tree: Path) -> None:
    before = sources_key(str(tree))
    (tree / "etc/apt/preferences.d/pin").write_text("Package: nginx\n")
    (tree / "etc/apt/preferences").write_text("Package: nginx\n")
    os.utime(tree / "usr/share/keyrings/debian.gpg", (1, 1))
    assert sources_key(str(tree)) == before


def test_link_among_what_is_digested_counts_by_where_it_leads(tree: Path) -> None:
    keys = set()
    (tree / "etc/apt/trusted.gpg.d").mkdir()
    for target in ("/usr/share/keyrings/debian.gpg", "../../../usr/share/keyrings/none.gpg"):
        link = tree / "etc/apt/trusted.gpg.d/debian.gpg"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        keys.add(sources_key(str(tree)))
    assert len(keys) == 2
    assert None not in keys


@pytest.mark.parametrize(
    "target", ["/etc/shadow", "../../../../../../etc/passwd", "/proc/self/mem", "/etc/apt/../passwd"]
)
def test_link_that_leads_out_of_it_shares_no_lists(tree: Path, target: str) -> None:
    """What is there could change without the digest telling, and on the host it is somebody else's file."""
    (tree / "etc/apt/sources.list.d/x.list").symlink_to(target)
    assert sources_key(str(tree)) is None


@pytest.mark.parametrize("place", ["etc", "etc/apt"])
def test_directory_that_is_a_link_is_not_followed(tree: Path, tmp_path: Path, place: str) -> None:
    (tree / place).rename(tmp_path / "elsewhere")
    (tree / place).symlink_to(tmp_path / "elsewhere")
    assert sources_key(str(tree)) is None


def test_fifos_sockets_and_devices_are_not_opened(tree: Path) -> None:
    before = sources_key(str(tree))
    os.mkfifo(tree / "etc/apt/sources.list")
    os.mkfifo(tree / "usr/share/keyrings/x.gpg")
    assert sources_key(str(tree)) == before


def test_sparse_bomb_shares_no_lists(tree: Path) -> None:
    with (tree / "etc/apt/big").open("wb") as bomb:
        bomb.truncate(1 << 40)
    assert sources_key(str(tree)) is None


def test_more_bytes_than_allowed_in_all_shares_no_lists(tree: Path) -> None:
    for number in range(20):
        with (tree / f"etc/apt/{number}").open("wb") as part:
            part.truncate(1 << 20)
    assert sources_key(str(tree)) is None


def test_too_many_files_share_no_lists(tree: Path) -> None:
    for number in range(2100):
        (tree / f"etc/apt/{number}").touch()
    assert sources_key(str(tree)) is None
    assert newest_change(str(tree)) is None


def test_too_deep_directories_share_no_lists(tree: Path) -> None:
    (tree / "usr/share/keyrings" / "/".join("d" * 20)).mkdir(parents=True)
    assert sources_key(str(tree)) is None


def test_names_that_are_not_utf8_are_digested(tree: Path) -> None:
    before = sources_key(str(tree))
    (Path(os.fsdecode(os.fsencode(tree) + b"/etc/apt/\xff.list"))).touch()
    assert sources_key(str(tree)) not in (None, before)


def test_change_is_told_by_the_inode_whatever_times_were_set(tree: Path) -> None:
    path = tree / "etc/apt/sources.list.d/debian.sources"
    os.utime(path, (1, 1))
    assert newest_change(str(tree)) == pytest.approx(path.stat().st_ctime)


def test_removal_is_a_change(tree: Path) -> None:
    """An overlay's upper directory has a whiteout for it at least; its directory was touched."""
    (tree / "etc/apt/sources.list.d/debian.sources").unlink()
    changed = newest_change(str(tree))
    assert changed is not None
    assert changed >= (tree / "etc/apt/sources.list.d").stat().st_ctime


def test_nothing_changed_is_told(tmp_path: Path) -> None:
    assert newest_change(str(tmp_path)) == 0.0
