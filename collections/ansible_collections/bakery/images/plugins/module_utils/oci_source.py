# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Importing a foreign image as a base: each of its layers becomes a layer of the store, once."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from datetime import datetime
from typing import IO, Any

from ansible_collections.bakery.images.plugins.module_utils.beneath import status_beneath
from ansible_collections.bakery.images.plugins.module_utils.blob_store import BlobWriter, sha256
from ansible_collections.bakery.images.plugins.module_utils.compression import (
    GZIP,
    MEDIA_TYPES,
    NONE,
    ZSTD,
    Readable,
    decompressed,
)
from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    LayerStore,
    StoreError,
    canonical_json,
)
from ansible_collections.bakery.images.plugins.module_utils.oci_documents import Descriptor
from ansible_collections.bakery.images.plugins.module_utils.oci_image import host_platform
from ansible_collections.bakery.images.plugins.module_utils.oci_layout import Image
from ansible_collections.bakery.images.plugins.module_utils.oci_reference import SourceImage, opened_source
from ansible_collections.bakery.images.plugins.module_utils.packages import layer_packages
from ansible_collections.bakery.images.plugins.module_utils.packing import FOREIGN, blobs_of, tree_digest
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import (
    is_whiteout,
    opened,
)
from ansible_collections.bakery.images.plugins.module_utils.tar_members import disk_room
from ansible_collections.bakery.images.plugins.module_utils.tar_unpack import unpack_layer
from ansible_collections.bakery.images.plugins.module_utils.unfinished import unfinished

_SYSTEMD = (b"usr/lib/systemd/systemd", b"lib/systemd/systemd")
_READ = 1 << 20
# gzip makes data smaller by 1,032 at most; what zstd makes smaller than that is one byte over and over.
_MOST_RATIO = 1100
# A layer that unpacks to no more bytes than this may be compressed as it likes.
_SMALL = 1 << 30
_ROOT_MODE = stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH


def import_oci_source(store: LayerStore, reference: str, *, tls_verify: bool | None = None) -> dict[str, Any]:
    """Bring the image that ``reference`` names into the store.

    ``reference``: ``oci:DIR[:TAG]``, ``oci-archive:FILE``, ``docker-archive:FILE`` or ``docker://NAME[:TAG|@DIGEST]``.
    Returns ``{layers: ids lowest first, digest: over diffIDs and config, epoch: seconds, architecture,
    systemd, config, resolved: the reference with a digest}``. Layers known by their diffID are reused. Every
    blob is verified by its digest and every layer by its diffID. Raises StoreError.
    """
    store.ensure()
    workspace = unfinished(os.path.join(store.root, "import"))
    with opened_source(reference, workspace, tls_verify=tls_verify) as source:
        return import_image(store, source, reference)


def import_image(store: LayerStore, source: SourceImage, reference: str) -> dict[str, Any]:
    """Bring an image of an open source into the store; see ``import_oci_source``."""
    _check_platform(source, reference)
    layers = _import_layers(store, source, reference)
    config = {**source.image.config.get("config", {})}
    diff_ids = source.image.config["rootfs"]["diff_ids"]
    return {
        "layers": layers,
        "digest": sha256(canonical_json({"diff_ids": diff_ids, "config": config})),
        "epoch": _epoch(source.image),
        "architecture": source.image.config.get("architecture", host_platform()["architecture"]),
        "systemd": has_systemd(store, layers),
        "config": config,
        "resolved": source.resolved,
    }


def has_systemd(store: LayerStore, layer_ids: list[str]) -> bool:
    """Whether the stacked layers have systemd."""
    for layer_id in reversed(layer_ids):
        with opened(store.tree(layer_id)) as tree:
            for path in _SYSTEMD:
                status = status_beneath(tree, path)
                if status:
                    return not is_whiteout(status)
    return False


def _check_platform(source: SourceImage, reference: str) -> None:
    host = host_platform()
    theirs = source.image.config.get("architecture", host["architecture"])
    system = source.image.config.get("os", "linux")
    if (system, theirs) != (host["os"], host["architecture"]):
        raise StoreError(
            f"{reference} is an image for {system}/{theirs}, "
            f"but this host is {host['os']}/{host['architecture']}"
        )


def _epoch(image: Image) -> int:
    created = image.config.get("created", "")
    try:
        return max(0, int(datetime.fromisoformat(_whole_seconds(created)).timestamp()))
    except (ValueError, OverflowError):
        return 0


def _whole_seconds(time: str) -> str:
    """RFC 3339 allows more decimal places than Python reads; only whole seconds matter here."""
    start, dot, rest = time.partition(".")
    return start + rest.lstrip("0123456789") if dot else start


def _import_layers(store: LayerStore, source: SourceImage, reference: str) -> list[str]:
    descriptors = source.image.manifest["layers"]
    diff_ids = source.image.config["rootfs"]["diff_ids"]
    if not descriptors or len(descriptors) != len(diff_ids):
        raise StoreError(f"{reference} has {len(descriptors)} layers but {len(diff_ids)} diff ids")
    makers = [
        entry.get("created_by")
        for entry in source.image.config.get("history", [])
        if not entry.get("empty_layer")
    ]
    makers += [None] * (len(diff_ids) - len(makers))
    known = _layers_by_digest(store)
    layers: list[str] = []
    for descriptor, diff_id, maker in zip(descriptors, diff_ids, makers, strict=False):
        # A layer twice in one image is two here: no overlay mounts one directory twice.
        candidates = [record for record in known.get(diff_id, []) if record["id"] not in layers]
        layer_id = _known_layer(store, candidates)
        if layer_id is None:
            record = {"created_by": maker or reference, "digest": diff_id, "role": None, "version": None}
            layer_id = _import_layer(store, source, descriptor=descriptor, record=record)
            record = store.update_record(layer_id, packages=layer_packages(store, layer_id, layers))
            known.setdefault(diff_id, []).append(record)
        layers.append(layer_id)
    return layers


def _layers_by_digest(store: LayerStore) -> dict[str, list[dict[str, Any]]]:
    """The records of layers by their diffID; those that cannot be read are left out."""
    known: dict[str, list[dict[str, Any]]] = {}
    for layer_id in store.ids():
        try:
            record = store.record(layer_id)
        except StoreError:
            continue
        if record.get("digest"):
            known.setdefault(record["digest"], []).append(record)
    return known


def _known_layer(store: LayerStore, records: list[dict[str, Any]]) -> str | None:
    """The first of the layers whose blob is whole."""
    blobs = blobs_of(store)
    for record in records:
        if any(blobs.is_intact(blob["digest"]) for blob in record.get("blobs", {}).values()):
            return str(record["id"])
    return None


def _import_layer(
    store: LayerStore, source: SourceImage, *, descriptor: Descriptor, record: dict[str, Any]
) -> str:
    """Unpack a layer; its blob gets its name in the store only when that went well."""
    blobs = blobs_of(store)
    blobs.ensure()
    layer_id = store.new_id()
    tree = unfinished(os.path.join(store.layers, f"{layer_id}.tree"))
    os.mkdir(tree)
    # The root of an image is everybody's, whatever our umask; a layer that has its own root says so.
    os.chmod(tree, _ROOT_MODE)
    try:
        with BlobWriter(blobs) as writer:
            source.layout.copy(descriptor, writer)
            with writer.written() as blob:
                media_type = _media_type(blob)
                files, inner = _unpack(blob, descriptor, tree=tree, diff_id=record["digest"])
            tree_sum = tree_digest(tree, epoch=None)
            blob_record = {"digest": writer.commit(), "size": writer.size, "media_type": media_type}
        complete = {
            **record,
            "size": inner,
            "files": files,
            "blobs": {FOREIGN: blob_record},
            "blob": blob_record,
            "tree_digest": tree_sum,
            "epoch": None,
        }
        return store.commit(tree, complete, layer_id=layer_id)
    except OSError as error:
        raise StoreError(f"layer {descriptor['digest']} cannot be imported: {error.strerror}") from error
    finally:
        with suppress(OSError):
            delete_tree(tree)


def _unpack(blob: IO[bytes], descriptor: Descriptor, *, tree: str, diff_id: str) -> tuple[int, int]:
    """Unpack a blob; returns how many files there were and the size of the tar, whose diffID is checked."""
    most = min(max(_SMALL, descriptor["size"] * _MOST_RATIO), disk_room(tree))
    stream = _Measured(decompressed(blob), most)
    files = unpack_layer(stream, tree)
    while stream.read(_READ):
        pass
    if stream.digest() != diff_id:
        raise StoreError(
            f"layer {descriptor['digest']} unpacks to {stream.digest()}, but the image says {diff_id}"
        )
    return files, stream.size


def _media_type(blob: IO[bytes]) -> str:
    """By the blob's first bytes, as the manifest may use Docker's names."""
    magic = blob.read(4)
    blob.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return MEDIA_TYPES[GZIP]
    return MEDIA_TYPES[ZSTD] if magic == b"\x28\xb5\x2f\xfd" else MEDIA_TYPES[NONE]


class _Measured:
    """Passes at most ``most`` bytes of a stream on; knows the digest and size of what went by."""

    def __init__(self, source: Readable, most: int) -> None:
        self._source = source
        self._most = most
        self._sum = hashlib.sha256()
        self.size = 0

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        self._sum.update(chunk)
        self.size += len(chunk)
        if self.size > self._most:
            raise StoreError(
                f"a layer unpacks to more than {self._most} bytes: more than is free here, or than one of "
                "its size should hold; free some space, or take another image"
            )
        return chunk

    def digest(self) -> str:
        return f"sha256:{self._sum.hexdigest()}"
