"""Images of somebody else's are taken or refused in a sentence, whatever is in them, and stay as they are."""

from __future__ import annotations

import copy
import gzip
import hashlib
import io
import json
import os
import random
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.oci_image import host_platform
from ansible_collections.bakery.images.plugins.module_utils.oci_source import import_oci_source
from ansible_collections.bakery.images.plugins.module_utils.packing import tree_digest
from ansible_collections.bakery.images.plugins.module_utils.tar_unpack import unpack_layer

Document = dict[str, Any]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = {
    "User": "www-data",
    "Env": ["PATH=/bin", "A=1"],
    "Cmd": ["sh"],
    "Volumes": {"/data": {}},
    "Labels": {"a": "b"},
    "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1},
}
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


def tar(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return out.getvalue()


def named(name: str, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


LAYER = tar(
    named("etc", type=tarfile.DIRTYPE, mode=0o755),
    named("etc/file", size=3, mode=0o4755, pax_headers={"SCHILY.xattr.user.a": "b"}),
    named("etc/.wh.gone"),
    named("etc/link", type=tarfile.SYMTYPE, linkname="file"),
    named("etc/hard", type=tarfile.LNKTYPE, linkname="etc/file"),
    named("etc/fifo", type=tarfile.FIFOTYPE),
    content=b"abc",
)


class Layout:
    """An image layout of one layer, written as its documents say."""

    def __init__(self, path: Path, layer: bytes = LAYER) -> None:
        self.path = path
        self.blobs = path / "blobs" / "sha256"
        self.layer = layer
        self.config: Document = {
            **host_platform(),
            "created": "2026-01-01T00:00:00.123456789Z",
            "config": copy.deepcopy(CONFIG),
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
            "history": [{"created_by": "make", "empty_layer": False}],
        }
        self.manifest: Document = {"schemaVersion": 2, "mediaType": MANIFEST, "annotations": {"a": "b"}}
        self.entry: Document = {
            "mediaType": MANIFEST,
            "annotations": {"org.opencontainers.image.ref.name": "web:latest"},
        }

    def put(self, content: bytes) -> Document:
        self.blobs.mkdir(parents=True, exist_ok=True)
        (self.blobs / digest(content)[7:]).write_bytes(content)
        return {"digest": digest(content), "size": len(content)}

    def write(self, change: Callable[[str, Document], Any] = lambda _name, document: document) -> str:
        """Write all of it, each document as ``change`` gives it back; returns the reference."""
        blob = self.put(gzip.compress(self.layer, 1, mtime=0))
        config = self.put(as_json(change("config", self.config)))
        manifest = {
            **self.manifest,
            "config": {"mediaType": "c", **config},
            "layers": [{"mediaType": "l", **blob}],
        }
        entry = {**self.entry, **self.put(as_json(change("manifest", manifest)))}
        index = as_json(change("index", {"schemaVersion": 2, "manifests": [entry]}))
        (self.path / "index.json").write_bytes(index)
        (self.path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        return f"oci:{self.path}"

    def blob(self, kind: str) -> Path:
        """The file of the manifest, the configuration or the layer."""
        entry = json.loads((self.path / "index.json").read_bytes())["manifests"][0]
        manifest = self.blobs / entry["digest"][7:]
        if kind == "manifest":
            return manifest
        found = json.loads(manifest.read_bytes())
        inner = found["config"] if kind == "config" else found["layers"][0]
        return self.blobs / str(inner["digest"])[7:]


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def as_json(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "theirs")


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(str(tmp_path / "ours"))


def leftovers(store: LayerStore) -> list[str]:
    """What is in the store that is no whole layer, nor a blob of one."""
    root = Path(store.root)
    blobs = {blob["digest"][7:] for layer in store.ids() for blob in store.record(layer)["blobs"].values()}
    known = {
        *(root / "layers" / layer for layer in store.ids()),
        *(root / "oci/blobs/sha256" / blob for blob in blobs),
    }
    places = (root, root / "layers", root / "oci", root / "oci/blobs/sha256")
    found = [path for place in places if place.is_dir() for path in place.iterdir() if path not in known]
    return [str(path) for path in found if path not in places and path.name not in ("l", "oci", "blobs")]


def listing(path: Path) -> dict[str, tuple[int, int, int]]:
    return {
        str(one): (status.st_ino, status.st_size, status.st_mtime_ns)
        for one in [path, *path.rglob("*")]
        for status in [one.lstat()]
    }


def refusal(store: LayerStore, reference: str) -> str:
    """What is said to an image that is refused; nothing of it stays."""
    with pytest.raises(StoreError) as refused:
        import_oci_source(store, reference)
    assert leftovers(store) == []
    assert len(str(refused.value)) < 1000
    assert str(refused.value).isprintable()
    return str(refused.value)


def taken_or_refused(store: LayerStore, reference: str) -> bool:
    """Whether the image is taken; what it is refused with is a sentence, and nothing of it stays."""
    said = ""
    try:
        base = import_oci_source(store, reference)
    except StoreError as error:
        said = str(error)
    else:
        assert store.record(base["layers"][0])
    assert said.isprintable()
    assert len(said) < 1000
    assert leftovers(store) == []
    return not said


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
        (named("x" * 256), "cannot unpack.*File name too long"),
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
    assert kept == (-(2**31) if time.startswith("-") else 2**34 - 2**31 - 1)


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


def test_more_layers_than_can_be_mounted_are_a_sentence(layout: Layout, store: LayerStore) -> None:
    def change(kind: str, document: Document) -> Document:
        return {**document, "layers": document["layers"] * 501} if kind == "manifest" else document

    assert "has 501 layers" in refusal(store, layout.write(change))


def test_tags_of_a_layout_are_quoted(layout: Layout, store: LayerStore) -> None:
    layout.entry["annotations"]["org.opencontainers.image.ref.name"] = "\x1b]0;x\x07\u202e"
    assert r"its tags are: '\x1b]0;x\x07\u202e'" in refusal(store, f"{layout.write()}:nope")
