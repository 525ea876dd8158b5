"""Hostile and odd layer tars stay inside their tree."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError
from ansible_collections.bakery.images.plugins.module_utils.tar_unpack import unpack_layer


def member(
    name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", content: bytes = b""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return info, content


def unpack(tree: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> int:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    out.seek(0)
    tree.mkdir()
    return unpack_layer(out, str(tree))


def everything(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


@pytest.mark.parametrize(
    "name",
    [
        "../escaped",
        "/escaped",
        "a/../../escaped",
        "../../../../../../../../escaped",
        "./../escaped",
        "//escaped",
    ],
)
def test_names_cannot_leave_the_tree(tmp_path: Path, name: str) -> None:
    unpack(tmp_path / "tree", member(name, content=b"x"))
    assert everything(tmp_path) == {"tree", "tree/escaped"}


@pytest.mark.parametrize("target", ["/", "..", "../..", "/../..", "../outside", "/proc/self/root"])
def test_links_in_the_way_are_resolved_inside(tmp_path: Path, target: str) -> None:
    (tmp_path / "outside").mkdir()
    unpack(tmp_path / "tree", member("way", tarfile.SYMTYPE, link=target), member("way/file", content=b"x"))
    assert everything(tmp_path / "outside") == set()
    assert not (tmp_path / "file").exists()
    assert [path.name for path in (tmp_path / "tree").rglob("file")] == ["file"]


def test_a_file_through_a_link_lands_where_the_link_points(tmp_path: Path) -> None:
    unpack(
        tmp_path / "tree",
        member("usr/lib", tarfile.DIRTYPE),
        member("lib", tarfile.SYMTYPE, link="usr/lib"),
        member("lib/file", content=b"x"),
    )
    assert (tmp_path / "tree" / "usr/lib/file").read_bytes() == b"x"


def test_links_that_go_in_circles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="too many symbolic links"):
        unpack(
            tmp_path / "tree",
            member("a", tarfile.SYMTYPE, link="b"),
            member("b", tarfile.SYMTYPE, link="a"),
            member("a/f"),
        )


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("untouched")
    unpack(
        tmp_path / "tree",
        member("file", tarfile.SYMTYPE, link=str(tmp_path / "outside")),
        member("file", content=b"new"),
    )
    assert (tmp_path / "outside").read_text() == "untouched"
    assert not (tmp_path / "tree" / "file").is_symlink()


@pytest.mark.parametrize("link", ["/etc/passwd", "../outside", "missing", "dir", "way/outside"])
def test_hard_links_reach_only_what_the_layer_brought(tmp_path: Path, link: str) -> None:
    (tmp_path / "outside").write_text("outside")
    with pytest.raises(StoreError, match=r"hard link|a link goes through"):
        unpack(
            tmp_path / "tree",
            member("dir", tarfile.DIRTYPE),
            member("way", tarfile.SYMTYPE, link=str(tmp_path)),
            member("hard", tarfile.LNKTYPE, link=link),
        )


def test_whiteouts_become_those_of_overlay(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    files = unpack(tree, member("dir/.wh.gone"), member("dir/.wh..wh..opq"), member(".wh..wh.plnk"))
    status = (tree / "dir" / "gone").lstat()
    assert stat.S_ISCHR(status.st_mode)
    assert status.st_rdev == 0
    assert os.getxattr(tree / "dir", "trusted.overlay.opaque") == b"y"
    assert everything(tree) == {"dir", "dir/gone"}
    assert files == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_whiteout_beside_its_directory_makes_it_opaque(tmp_path: Path, order: tuple[int, int]) -> None:
    both = (member(".wh.dir"), member("dir", tarfile.DIRTYPE))
    unpack(tmp_path / "tree", *(both[i] for i in order))
    assert os.getxattr(tmp_path / "tree" / "dir", "trusted.overlay.opaque") == b"y"


def test_a_whiteout_does_not_take_its_own_layers_file(tmp_path: Path) -> None:
    unpack(tmp_path / "tree", member("file", content=b"new"), member(".wh.file"))
    assert (tmp_path / "tree" / "file").read_bytes() == b"new"


def test_the_last_of_two_members_of_a_name_wins(tmp_path: Path) -> None:
    unpack(
        tmp_path / "tree",
        member("x", tarfile.DIRTYPE),
        member("x/inner", content=b"1"),
        member("x", content=b"2"),
    )
    assert (tmp_path / "tree" / "x").read_bytes() == b"2"


def test_directories_keep_their_times(tmp_path: Path) -> None:
    directory = member("dir", tarfile.DIRTYPE)
    directory[0].mtime = 1000
    unpack(tmp_path / "tree", directory, member("dir/file", content=b"x"))
    assert (tmp_path / "tree" / "dir").stat().st_mtime == 1000


@pytest.mark.parametrize("content", [b"x" * 512, b"\x1f\x8b" + b"x" * 600, b"BZh9" * 200])
def test_what_is_no_tar_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tree").mkdir()
    with pytest.raises(StoreError, match="not a valid tar archive"):
        unpack_layer(io.BytesIO(content), str(tmp_path / "tree"))
