"""Packing: digests, compressions, what happens when the disk or the tree does not play along."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import resource
import signal
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils import compression, packing
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError

EPOCH = 1_700_000_000


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    made = LayerStore(str(tmp_path / "container"))
    made.ensure()
    return made


def layer(store: LayerStore, content: bytes = b"content") -> str:
    tree = Path(store.root, f"tree-{store.new_id()}")
    tree.mkdir(mode=0o755)
    (tree / "file").write_bytes(content)
    return store.commit(str(tree), {})


def blob_path(store: LayerStore, packed: dict[str, dict[str, str]]) -> Path:
    return Path(packing.blobs_of(store).path(packed["blob"]["digest"]))


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_the_blob_holds_the_tar_of_the_digest(store: LayerStore, kind: str) -> None:
    packed = packing.pack(store, layer(store, os.urandom(3 << 20)), epoch=EPOCH, compression=kind)
    with blob_path(store, packed).open("rb") as blob:
        stream = compression.decompressed(blob)
        content = b"".join(iter(lambda: stream.read(1 << 16), b""))
    assert packed["digest"] == "sha256:" + hashlib.sha256(content).hexdigest()
    assert packed["size"] == len(content)
    assert packed["files"] == 1
    assert packed["blob"]["media_type"].endswith(f"tar+{kind}")


def test_gzip_carries_nothing_of_host_or_time(store: LayerStore) -> None:
    packed = packing.pack(store, layer(store), epoch=EPOCH)
    content = blob_path(store, packed).read_bytes()
    assert content[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    assert len(gzip.decompress(content)) == packed["size"]


def test_without_isal_zlib_writes_gzip_too(store: LayerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    layer_id = layer(store)
    fast = packing.pack(store, layer_id, epoch=EPOCH)
    blob_path(store, fast).unlink()
    monkeypatch.setattr(compression, "isal_zlib", None)
    slow = packing.pack(store, layer_id, epoch=EPOCH)
    assert slow["digest"] == fast["digest"]
    assert len(gzip.decompress(blob_path(store, slow).read_bytes())) == slow["size"]


def test_without_zstandard_zstd_is_a_sentence(store: LayerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "zstandard", None)
    with pytest.raises(StoreError, match="install it or choose gzip"):
        packing.pack(store, layer(store), epoch=EPOCH, compression="zstd")


def test_an_unknown_compression_is_a_sentence(store: LayerStore) -> None:
    with pytest.raises(StoreError, match="use gzip or zstd"):
        packing.pack(store, layer(store), epoch=EPOCH, compression="lzma")


def test_a_layer_has_one_blob_for_each_compression(store: LayerStore) -> None:
    layer_id = layer(store)
    packed = [
        packing.pack(store, layer_id, epoch=EPOCH, compression=kind) for kind in ("gzip", "zstd", "gzip")
    ]
    assert packed[0] == packed[2]
    assert packed[0]["digest"] == packed[1]["digest"]
    assert sorted(store.record(layer_id)["blobs"]) == ["gzip", "zstd"]


def test_the_first_epoch_stays_the_layers_own(store: LayerStore) -> None:
    layer_id = layer(store)
    first = packing.pack(store, layer_id, epoch=EPOCH)
    assert packing.pack(store, layer_id, epoch=EPOCH + 9, compression="zstd")["digest"] == first["digest"]


def test_a_full_disk_is_a_sentence_and_leaves_nothing(store: LayerStore) -> None:
    layer_id = layer(store, os.urandom(4 << 20))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(StoreError, match="cannot write a blob"):
            packing.pack(store, layer_id, epoch=EPOCH)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert list(Path(packing.blobs_of(store).directory).iterdir()) == []
    assert "digest" not in store.record(layer_id)


def test_damaged_compressed_streams_are_sentences() -> None:
    good = gzip.compress(os.urandom(5000))
    for bad in (good[:-2000], good[:20] + b"\xff" * 50 + good[70:]):
        stream = compression.decompressed(io.BytesIO(bad))
        with pytest.raises(StoreError, match=r"ends early|not valid gzip"):
            list(iter(lambda stream=stream: stream.read(100), b""))


def test_gzip_of_several_members_is_one_stream() -> None:
    stream = compression.decompressed(io.BytesIO(gzip.compress(b"one") + gzip.compress(b"two")))
    assert b"".join(iter(lambda: stream.read(2), b"")) == b"onetwo"
