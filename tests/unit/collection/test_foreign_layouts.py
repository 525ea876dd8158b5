"""Layouts and archives of somebody else's: damaged, leading elsewhere, or keeping their reader waiting."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.oci_source import import_oci_source

from tests.unit.collection.foreign_image import CONFIG, Layout, leftovers, listing, named, refusal


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "theirs")


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(str(tmp_path / "ours"))


@pytest.mark.parametrize("kind", ["manifest", "config", "layer"])
@pytest.mark.parametrize(
    "damage", ["changed", "shorter", "longer", "missing", "link", "fifo", "directory", "device"]
)
def test_a_damaged_layout_is_told_and_left_as_it_is(
    layout: Layout, store: LayerStore, kind: str, damage: str
) -> None:
    """A link could show the host's files, a fifo keep the reader waiting; and the layout is the user's."""
    reference = layout.write()
    blob = layout.blob(kind)
    content = blob.read_bytes()
    changes = {"changed": content[:-1] + b"!", "shorter": content[:-1], "longer": content + b" "}
    blob.unlink()
    if damage in changes:
        blob.write_bytes(changes[damage])
    elif damage == "link":
        (layout.path / "elsewhere").write_bytes(content)
        blob.symlink_to("../../elsewhere")
    elif damage == "fifo":
        os.mkfifo(blob)
    elif damage == "directory":
        blob.mkdir()
    elif damage == "device":
        os.mknod(blob, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    before = listing(layout.path)
    words = {
        "missing": "is missing",
        "link": "is a symbolic link",
        "fifo": "is not a regular file",
        "directory": "is not a regular file",
        "device": "is not a regular file",
    }
    assert words.get(damage, "is damaged: ") in refusal(store, reference)
    assert listing(layout.path) == before


@pytest.mark.parametrize("place", ["index.json", "blobs", "blobs/sha256"])
def test_no_link_of_a_layout_is_followed(layout: Layout, store: LayerStore, place: str) -> None:
    reference = layout.write()
    there = layout.path / place
    there.rename(layout.path.parent / "elsewhere")
    there.symlink_to(layout.path.parent / "elsewhere")
    assert "symbolic link" in refusal(store, reference)


def test_a_link_to_a_layout_is_followed(layout: Layout, store: LayerStore, tmp_path: Path) -> None:
    layout.write()
    (tmp_path / "link").symlink_to(layout.path)
    assert import_oci_source(store, f"oci:{tmp_path}/link")["config"] == CONFIG


def test_colons_may_be_in_the_path(tmp_path: Path, store: LayerStore) -> None:
    reference = Layout(tmp_path / "a:b").write()
    for tag in ("", ":web", ":web:latest"):
        assert import_oci_source(store, f"{reference}{tag}")["config"] == CONFIG
    assert "no image 'nope'; its tags are: web:latest" in refusal(store, f"{reference}:nope")


def archive_of(layout: Layout, *more: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(layout.path, ".")
        for member in more:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return out.getvalue()


@pytest.mark.parametrize("compress", [bytes, gzip.compress, "bz2", "lzma", zlib.compress])
def test_archives_are_plain_or_compressed(
    layout: Layout, store: LayerStore, tmp_path: Path, compress: Any
) -> None:
    layout.write()
    if isinstance(compress, str):
        compress = pytest.importorskip(compress).compress
    (tmp_path / "web.tar").write_bytes(compress(archive_of(layout)))
    reference = f"oci-archive:{tmp_path}/web.tar"
    if compress is zlib.compress:  # no format of archives
        assert "web.tar is not a valid tar archive" in refusal(store, reference)
    else:
        assert import_oci_source(store, reference)["config"] == CONFIG
        assert leftovers(store) == []


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ([named("index.json")], "index.json is in .* twice"),
        ([named("./blobs/../index.json")], "index.json is in .* twice"),
        ([named("index.json", size=5 << 20)], "is larger than"),
        ([named("x", pax_headers={"size": str(1 << 60)})], "is too large to unpack|not a valid tar"),
        ([named("x", pax_headers={"mtime": "nan"})], "a time that is no number"),
    ],
)
def test_absurd_archives_are_sentences(
    layout: Layout, store: LayerStore, tmp_path: Path, more: list[tarfile.TarInfo], problem: str
) -> None:
    layout.write()
    (tmp_path / "web.tar").write_bytes(archive_of(layout, *more))
    with pytest.raises(StoreError, match=problem):
        import_oci_source(store, f"oci-archive:{tmp_path}/web.tar")
    assert leftovers(store) == []


def test_only_a_layouts_files_come_out_of_an_archive(
    layout: Layout, store: LayerStore, tmp_path: Path
) -> None:
    layout.write()
    odd = [
        named("../escaped"),
        named("/escaped"),
        named("blobs/sha256/../../../escaped"),
        named("blobs/sha256/" + "0" * 64, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        named("oci-layout", type=tarfile.FIFOTYPE),
    ]
    (tmp_path / "web.tar").write_bytes(archive_of(layout, *odd))
    assert import_oci_source(store, f"oci-archive:{tmp_path}/web.tar")["config"] == CONFIG
    assert leftovers(store) == []
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
def test_nobody_waits_for_a_fifo(store: LayerStore, tmp_path: Path, transport: str) -> None:
    (tmp_path / "layout").mkdir()
    os.mkfifo(tmp_path / "layout" / "index.json")
    path = tmp_path / "layout" if transport == "oci" else tmp_path / "layout" / "index.json"
    assert "not a regular file" in refusal(store, f"{transport}:{path}")


def test_tags_of_a_layout_are_quoted(layout: Layout, store: LayerStore) -> None:
    layout.entry["annotations"]["org.opencontainers.image.ref.name"] = "\x1b]0;x\x07\u202e"
    assert r"its tags are: '\x1b]0;x\x07\u202e'" in refusal(store, f"{layout.write()}:nope")
