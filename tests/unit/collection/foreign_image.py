"""Builds images of somebody else's, and looks at what is left of them."""

from __future__ import annotations

import copy
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.oci_image import host_platform
from ansible_collections.bakery.images.plugins.module_utils.oci_source import import_oci_source

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
