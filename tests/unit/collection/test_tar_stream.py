"""Layer tars: order, what is left out, what is refused."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError
from ansible_collections.bakery.images.plugins.module_utils.tar_stream import TarSummary, write_layer_tar


def pack(*trees: Path, epoch: int | None = None, whole: bool = False) -> tuple[bytes, TarSummary]:
    chunks: list[bytes] = []
    summary = write_layer_tar(
        [str(tree) for tree in trees], lambda c: chunks.append(bytes(c)), epoch=epoch, whole=whole
    )
    return b"".join(chunks), summary


def members(content: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return archive.getmembers()


def names(content: bytes) -> list[str]:
    return [member.name for member in members(content)]


def whiteout(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, 0o020000, os.makedev(0, 0))


def test_members_are_in_byte_order_with_whiteouts_first(tmp_path: Path) -> None:
    for name in ("b", "a/z", "a/y", "a.b", "B", "ä"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    whiteout(tmp_path / "zz-gone")
    whiteout(tmp_path / "a" / "zz-gone")
    content, _ = pack(tmp_path)
    assert names(content) == [".", ".wh.zz-gone", "B", "a", "a/.wh.zz-gone", "a/y", "a/z", "a.b", "b", "ä"]


def test_an_opaque_directory_says_so_before_its_content(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / ".a").write_text("")
    os.setxattr(tmp_path / "dir", "trusted.overlay.opaque", b"y")
    assert names(pack(tmp_path)[0]) == [".", "dir", "dir/.wh..wh..opq", "dir/.a"]


def test_hard_links_point_to_the_first_name(tmp_path: Path) -> None:
    (tmp_path / "z").write_text("content")
    for name in ("m", "a"):
        (tmp_path / name).hardlink_to(tmp_path / "z")
    found = {member.name: (member.islnk(), member.linkname) for member in members(pack(tmp_path)[0])}
    assert found == {".": (False, ""), "a": (False, ""), "m": (True, "a"), "z": (True, "a")}


def test_whiteouts_that_share_an_inode_stay_whiteouts(tmp_path: Path) -> None:
    whiteout(tmp_path / "a")
    os.link(tmp_path / "a", tmp_path / "b")
    content, summary = pack(tmp_path)
    assert names(content) == [".", ".wh.a", ".wh.b"]
    assert summary.files == 2


def test_times_are_whole_seconds_and_clamped(tmp_path: Path) -> None:
    for name, time in (("old", 1000.75), ("new", 5000.5), ("before-1970", -7.5)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (time, time))
    assert {m.name: m.mtime for m in members(pack(tmp_path, epoch=2000)[0]) if m.name != "."} == {
        "before-1970": 0,
        "old": 1000,
        "new": 2000,
    }
    assert {m.name: m.mtime for m in members(pack(tmp_path)[0]) if m.name != "."} == {
        "before-1970": 0,
        "old": 1000,
        "new": 5000,
    }


def test_sockets_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    assert names(pack(tmp_path)[0]) == ["."]


def test_only_attributes_of_the_content_are_kept(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    for name in ("user.kept", "trusted.dropped", "trusted.overlay.origin"):
        os.setxattr(tmp_path / "f", name, b"v")
    found = next(member for member in members(pack(tmp_path)[0]) if member.name == "f")
    assert found.pax_headers == {"SCHILY.xattr.user.kept": "v"}


@pytest.mark.parametrize("attribute", ["trusted.overlay.metacopy", "trusted.overlay.redirect"])
def test_data_hidden_elsewhere_is_refused(tmp_path: Path, attribute: str) -> None:
    (tmp_path / "dir").mkdir()
    os.setxattr(tmp_path / "dir", attribute, b"/elsewhere")
    with pytest.raises(StoreError, match="metacopy=off,redirect_dir=off"):
        pack(tmp_path)


def test_metacopy_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    os.setxattr(tmp_path / "file", "trusted.overlay.metacopy", b"")
    with pytest.raises(StoreError, match="metacopy=off"):
        pack(tmp_path)


def test_names_that_oci_reserves_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".wh.file").write_text("")
    with pytest.raises(StoreError, match=r"/\.wh\.file cannot be in an image"):
        pack(tmp_path)


def test_a_link_to_outside_is_a_link_and_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("secret")
    (tmp_path / "tree" / "out").symlink_to(tmp_path / "secret")
    content, _ = pack(tmp_path / "tree")
    assert names(content) == [".", "out"]
    assert b"secret\n" not in content


def test_a_tree_deeper_than_the_recursion_limit_is_packed(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    try:
        assert len(names(pack(tmp_path)[0])) == 1501
    finally:
        delete_tree(str(tmp_path / "d"))


def test_stacked_trees_show_what_an_overlay_would(tmp_path: Path) -> None:
    low, high = tmp_path / "low", tmp_path / "high"
    for path in ("kept/a", "gone/b", "hidden/c", "replaced/d", "file"):
        (low / path).parent.mkdir(parents=True, exist_ok=True)
        (low / path).write_text("low")
    whiteout(high / "gone")
    (high / "hidden").mkdir()
    os.setxattr(high / "hidden", "trusted.overlay.opaque", b"y")
    (high / "replaced").write_text("high")
    (high / "file").mkdir()
    (high / "kept").mkdir()
    (high / "kept" / "e").write_text("high")
    content, _ = pack(low, high, whole=True)
    assert names(content) == [".", "file", "hidden", "kept", "kept/a", "kept/e", "replaced"]
    content, _ = pack(low, high)
    assert names(content) == [
        ".", ".wh.gone", "file", "file/.wh..wh..opq", "hidden", "hidden/.wh..wh..opq",
        "kept", "kept/a", "kept/e", "replaced",
    ]  # fmt: skip
