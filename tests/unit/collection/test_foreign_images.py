"""Images of somebody else's are taken or refused in a sentence, whatever is in them, and stay as they are."""

from __future__ import annotations

import copy
import io
import json
import os
import random
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.oci_source import import_oci_source
from ansible_collections.bakery.images.plugins.module_utils.packing import tree_digest
from ansible_collections.bakery.images.plugins.module_utils.tar_unpack import unpack_layer

from tests.unit.collection.foreign_image import (
    LAYER,
    Document,
    Layout,
    leftovers,
    listing,
    named,
    refusal,
    taken_or_refused,
    tar,
)

# What a hostile image has in the place of any value.
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1 << 63,
    10**4299,
    1.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "\0",
    "\ud800",
    "\u202e\x1b]0;x\x07",
    "x" * 100_000,
    "../../etc/passwd",
    "sha256:../../etc/passwd",
    "sha256:" + "0" * 64,
    "sha512:" + "0" * 128,
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"digest": None},
    json.loads("[" * 200 + "]" * 200),
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "theirs")


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(str(tmp_path / "ours"))


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a document."""
    yield way
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from places(inner, (*way, key))


def changed(document: Any, way: tuple[Any, ...], odd: Any, *, drop: bool = False) -> Any:
    if not way:
        return odd
    document = copy.deepcopy(document)
    holder = document
    for key in way[:-1]:
        holder = holder[key]
    if drop:
        del holder[way[-1]]
    else:
        holder[way[-1]] = odd
    return document


@pytest.mark.parametrize("name", ["index", "manifest", "config"])
def test_a_changed_document_is_taken_or_refused(tmp_path: Path, name: str) -> None:
    """Every value of every document is dropped, and replaced by a few odd ones."""
    chooser = random.Random(name)
    seen: dict[str, Document] = {}

    def remember(kind: str, document: Document) -> Document:
        seen[kind] = document
        return document

    Layout(tmp_path / "whole").write(remember)
    store = LayerStore(str(tmp_path / "ours"))
    taken = 0
    tried = 0
    for way in places(seen[name]):
        for odd in [*chooser.sample(ODD, 4), ...]:
            theirs = Layout(tmp_path / f"theirs-{tried}")
            if odd is ... and not way:
                continue

            def change(kind: str, document: Document, way: Any = way, odd: Any = odd) -> Any:
                return changed(document, way, odd, drop=odd is ...) if kind == name else document

            reference = theirs.write(change)
            before = listing(theirs.path)
            taken += taken_or_refused(store, reference)
            assert listing(theirs.path) == before
            tried += 1
    assert 0 < taken < tried


@pytest.mark.parametrize("name", ["index", "manifest", "config"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe{}",
        b"{",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"{}" + b" " * (5 << 20),
        b'{"manifests": NaN}',
        b'{"layers": [], "config": 1e999}',
        b"1" * 10_000,
        b"\0",
        json.dumps({"manifests": [{}] * 1000}).encode(),
    ],
    ids=lambda content: repr(content[:12]),
)
def test_a_document_of_anything_is_refused(
    layout: Layout, store: LayerStore, name: str, content: bytes
) -> None:
    reference = layout.write(lambda kind, document: content if kind == name else document)
    refusal(store, reference)


def test_changed_bytes_of_a_layer_are_taken_or_refused(tmp_path: Path) -> None:
    """Headers with changed bytes, their checksums right."""
    chooser = random.Random("layer")
    taken = 0
    for number in range(600):
        layer = bytearray(LAYER)
        for _ in range(chooser.randint(1, 4)):
            layer[chooser.randrange(len(layer) - 1024)] = chooser.choice(b"\0\x80\xff019-/.=\n gxKLSVD")
        for start in range(0, len(layer), tarfile.BLOCKSIZE):
            block = layer[start : start + tarfile.BLOCKSIZE]
            if block[257:262] == b"ustar":
                block[148:156] = b" " * 8
                layer[start + 148 : start + 156] = b"%06o\0 " % sum(block)
        tree = tmp_path / str(number)
        tree.mkdir()
        said = ""
        try:
            unpack_layer(io.BytesIO(layer), str(tree))
        except StoreError as error:
            said = str(error)
        assert said.isprintable()
        assert said or tree_digest(str(tree), epoch=None)
        taken += not said
    assert 0 < taken < 600


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        (named("x", pax_headers={"mtime": "nan"}), "'x' in the layer has a time that is no number"),
        (named("x", pax_headers={"mtime": "inf"}), "a time that is no number"),
        (named("x", pax_headers={"uid": "9" * 30}), "an owner that no file can have"),
        (named("x", pax_headers={"gid": "-1"}), "an owner that no file can have"),
        (named("x", pax_headers={"path": "a\0b"}), r"'a\\x00b' in the layer is no name"),
        (named("x", pax_headers={"path": "a/" * 3000}), "is no name that a file can have"),
        (
            named("x", type=tarfile.SYMTYPE, pax_headers={"linkpath": "a\0b"}),
            "is no name that a file can have",
        ),
        (named("x" * 256), "cannot unpack the layer up to 'x+'…: File name too long"),
        (named("x", pax_headers={"SCHILY.xattr.security.capability": "?"}), "up to 'x': Invalid argument"),
        (named("a/.wh..."), "the layer has a whiteout without a name"),
        (named("x", type=tarfile.CHRTYPE), "is the character device 0:0, which"),
        (
            named("x\x1b[7m\u202e", type=tarfile.LNKTYPE, linkname="\x1b"),
            r"'/x\\x1b\[7m\\u202e' is a hard link to '/\\x1b'",
        ),
        (named("x", type=b"Z"), "is of the unknown kind|has no content"),
        (named("x", size=1 << 60), "is too large to unpack"),
    ],
    ids=lambda value: value.name[:20] if isinstance(value, tarfile.TarInfo) else None,
)
def test_absurd_members_are_sentences(
    layout: Layout, store: LayerStore, member: tarfile.TarInfo, problem: str
) -> None:
    size, member.size = member.size, 0
    content = tar(member)
    if size:
        content = named(member.name, size=size).tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    theirs = Layout(layout.path, content)
    with pytest.raises(StoreError, match=problem) as refused:
        import_oci_source(store, theirs.write())
    assert str(refused.value).isprintable()
    assert leftovers(store) == []


@pytest.mark.parametrize("time", ["1e300", "-1e300", "99999999999999999999", "-62135596800"])
def test_times_beyond_the_file_systems_are_those_at_its_ends(
    layout: Layout, store: LayerStore, time: str
) -> None:
    theirs = Layout(layout.path, tar(named("x", pax_headers={"mtime": time})))
    layer = import_oci_source(store, theirs.write())["layers"][0]
    kept = Path(store.tree(layer), "x").stat().st_mtime
    assert kept == (0 if time.startswith("-") else 2**34 - 2**31 - 1)


def test_no_attribute_of_a_layer_speaks_to_overlay(layout: Layout, store: LayerStore) -> None:
    names = (
        "trusted.overlay.redirect",
        "trusted.overlay.opaque",
        "user.overlay.redirect",
        "user.a\0",
        "user.b",
    )
    member = named("x", pax_headers={f"SCHILY.xattr.{name}": "/etc" for name in names})
    layer = import_oci_source(store, Layout(layout.path, tar(member)).write())["layers"][0]
    assert os.listxattr(Path(store.tree(layer), "x")) == ["user.b"]


def test_a_device_is_a_part_of_the_layer(layout: Layout, store: LayerStore) -> None:
    device = named("disk", type=tarfile.BLKTYPE, devmajor=7, devminor=200, mode=0o666)
    layer = import_oci_source(store, Layout(layout.path, tar(device)).write())["layers"][0]
    status = Path(store.tree(layer), "disk").lstat()
    assert (stat.S_ISBLK(status.st_mode), status.st_rdev) == (True, os.makedev(7, 200))


def test_a_header_does_not_fill_the_memory(layout: Layout, store: LayerStore) -> None:
    """A pax header of 16 MiB, which tarfile would read at once."""
    head = named("x", type=tarfile.XHDTYPE, size=16 << 20).tobuf(tarfile.USTAR_FORMAT)
    theirs = Layout(layout.path, head + bytes(16 << 20))
    assert "has a header of more than" in refusal(store, theirs.write())


def test_endless_headers_are_a_sentence(layout: Layout, store: LayerStore) -> None:
    record = b"11 path=xx\n"
    head = named("x", type=tarfile.XHDTYPE, size=len(record)).tobuf(tarfile.USTAR_FORMAT)
    theirs = Layout(layout.path, (head + record.ljust(512, b"\0")) * 3000)
    assert "the layer is not a valid tar archive" in refusal(store, theirs.write())


def test_a_bomb_is_a_sentence(layout: Layout, store: LayerStore) -> None:
    """More than a gigabyte of zeros behind the end of an archive, in a few kilobytes of zstd."""
    zstandard = pytest.importorskip("zstandard")
    zeros = bytes(1 << 20)
    frame = zstandard.ZstdCompressor(level=1).compress(zeros)
    blob = layout.put(zstandard.ZstdCompressor().compress(LAYER) + frame * 1025)
    layout.write()

    def change(kind: str, document: Document) -> Document:
        return {**document, "layers": [{"mediaType": "l", **blob}]} if kind == "manifest" else document

    assert "unpacks to more than 1073741824 bytes" in refusal(store, layout.write(change))


def test_more_layers_than_can_be_mounted_are_a_sentence(layout: Layout, store: LayerStore) -> None:
    def change(kind: str, document: Document) -> Document:
        return {**document, "layers": document["layers"] * 501} if kind == "manifest" else document

    assert "has 501 layers" in refusal(store, layout.write(change))
