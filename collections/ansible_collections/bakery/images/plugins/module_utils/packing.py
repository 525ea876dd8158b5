# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packing a layer: one pass over its tree gives the tar's digest and a compressed blob.

One thread walks the tree, one hashes the tar, one compresses, hashes and writes; all heavy calls release
the interpreter lock, so that they overlap.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Queue
from typing import Any, cast

from ansible_collections.bakery.images.plugins.module_utils.blob_store import BlobStore, BlobWriter
from ansible_collections.bakery.images.plugins.module_utils.compression import GZIP, MEDIA_TYPES, compressor
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.tar_stream import write_layer_tar

# Chunks of 1 MiB that may wait for a slower stage.
_WAITING = 16
# The kind, in a record's blobs, of a blob that came with a foreign image and cannot be made again from the
# tree.
FOREIGN = "foreign"


def blobs_of(store: LayerStore) -> BlobStore:
    """The store's blobs: those of its one OCI image layout, ``oci/``."""
    return BlobStore(os.path.join(store.root, "oci"))


def pack(store: LayerStore, layer_id: str, *, epoch: int | None, compression: str = GZIP) -> dict[str, Any]:
    """Make sure that a layer's digest is known and its blob is there, intact; remembers both in its record.

    Returns ``{digest, size, files, blob: {digest, size, media_type}}``: ``digest`` and ``size`` (bytes) of
    the uncompressed tar. ``epoch`` clamps modification times at the first packing, then is the layer's own.
    A layer from a foreign image keeps the blob it came with, whatever the compression.
    LayerCorrupt if the tree no longer has the recorded digest, StoreError if the disk is full.
    """
    record = store.record(layer_id)
    blobs = blobs_of(store)
    blob = _intact_blob(blobs, record, compression)
    if blob is None:
        if FOREIGN in record.get("blobs", {}):
            raise store.spoil(layer_id, "its blob, which came with its image, is gone or damaged")
        epoch = record.get("epoch", epoch)
        packed = pack_trees([store.tree(layer_id)], blobs, epoch=epoch, compression=compression)
        blob = packed["blob"]
        known = record.get("digest")
        if known not in (None, packed["digest"]):
            blobs.remove(blob["digest"])
            raise store.spoil(layer_id, _changed(packed["digest"], known))
        fields = {**packed, "epoch": epoch, "blobs": {**record.get("blobs", {}), compression: blob}}
        del fields["blob"]
        record = store.update_record(layer_id, **fields)
    return {"digest": record["digest"], "size": record["size"], "files": record["files"], "blob": blob}


def pack_trees(
    trees: list[str], blobs: BlobStore, *, epoch: int | None, compression: str, whole: bool = False
) -> dict[str, Any]:
    """Write the stacked ``trees`` (lowest first) as one blob; returns what ``pack`` returns.

    ``whole``: nothing lies below the trees.
    """
    blobs.ensure()
    squeeze = compressor(compression)
    inner = hashlib.sha256()
    with BlobWriter(blobs) as writer:

        def write(chunk: bytearray) -> None:
            if squeezed := squeeze.compress(chunk):
                writer.write(squeezed)

        with _feeding(inner.update, write) as feed:
            summary = write_layer_tar(trees, feed, epoch=epoch, whole=whole)
        writer.write(squeeze.flush())
        blob = {"digest": writer.commit(), "size": writer.size, "media_type": MEDIA_TYPES[compression]}
    return {
        "digest": f"sha256:{inner.hexdigest()}",
        "size": summary.size,
        "files": summary.files,
        "blob": blob,
    }


def _intact_blob(blobs: BlobStore, record: dict[str, Any], compression: str) -> dict[str, Any] | None:
    known = record.get("blobs", {})
    for kind in (compression, FOREIGN):
        if kind in known and blobs.is_intact(known[kind]["digest"]):
            return cast("dict[str, Any]", known[kind])
    return None


@contextmanager
def _feeding(*consumers: Callable[[bytearray], object]) -> Iterator[Callable[[bytearray], None]]:
    """A function that hands each chunk to all consumers, each in its own thread and in order.

    Leaving waits for them; what a consumer raises is raised here or at the next chunk.
    """
    queues: list[Queue[bytearray | None]] = [Queue(_WAITING) for _consumer in consumers]
    with ThreadPoolExecutor(len(consumers)) as pool:
        futures = [pool.submit(_consume, *pair) for pair in zip(consumers, queues, strict=True)]

        def feed(chunk: bytearray) -> None:
            for future, queue in zip(futures, queues, strict=True):
                if future.done():
                    future.result()
                queue.put(chunk)

        try:
            yield feed
        finally:
            for queue in queues:
                queue.put(None)
        for future in futures:
            future.result()


def _consume(consumer: Callable[[bytearray], object], queue: Queue[bytearray | None]) -> None:
    """Take chunks until None; after an error take the rest too, so that the feeding side never blocks."""
    ended = False
    try:
        while (chunk := queue.get()) is not None:
            consumer(chunk)
        ended = True
    finally:
        while not ended:
            ended = queue.get() is None


def verify(store: LayerStore, layer_id: str) -> None:
    """Read a layer's tree; LayerCorrupt unless it still has the digest in its record."""
    record = store.record(layer_id)
    expected = record.get("tree_digest", record.get("digest"))
    if expected is None:
        raise StoreError(f"layer {layer_id} was never packed, so that its tree cannot be verified")
    found = tree_digest(store.tree(layer_id), epoch=record.get("epoch"))
    if found != expected:
        raise store.spoil(layer_id, _changed(found, expected))


def tree_digest(tree: str, *, epoch: int | None) -> str:
    """The digest that the layer tar of ``tree`` has; nothing is written."""
    inner = hashlib.sha256()
    write_layer_tar([tree], inner.update, epoch=epoch)
    return "sha256:" + inner.hexdigest()


def _changed(found: str, recorded: str) -> str:
    return f"its tree has the digest {found}, recorded is {recorded}"
