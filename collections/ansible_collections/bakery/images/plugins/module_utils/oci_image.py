# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Composing an image: layers and a config become a manifest in the store's layout.

Same layers, config, history and annotations: same bytes, same digests. Nothing of host or clock enters.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.beneath import status_beneath
from ansible_collections.bakery.images.plugins.module_utils.compression import GZIP
from ansible_collections.bakery.images.plugins.module_utils.image_config import INIT, image_config
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    LayerStore,
    StoreError,
    canonical_json,
    write_atomically,
)
from ansible_collections.bakery.images.plugins.module_utils.oci_layout import (
    CONFIG_TYPE,
    MANIFEST_TYPE,
    OciLayout,
    checked_name,
)
from ansible_collections.bakery.images.plugins.module_utils.packing import blobs_of, pack, pack_trees
from ansible_collections.bakery.images.plugins.module_utils.podman import needed_ulimit_options
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import is_whiteout, opened

# containerd mounts at most 127 layers; a role set built on the image needs room too.
MOST_LAYERS = 100
# So many are merged more than needed, so that the next role does not merge all of them again.
_FLATTEN_STEP = 25
# machine -> architecture and variant, as Go and so OCI name them.
_ARCHITECTURES = {
    "x86_64": ("amd64", None),
    "aarch64": ("arm64", None),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", None),
}
_INITS = (b"usr/sbin/init", b"sbin/init")


@dataclass(frozen=True)
class ImageRequest:
    """What to compose.

    ``layers``: ids, lowest first; ``history``: layer id -> what made it; ``epoch``: seconds since 1970.
    """

    name: str
    layers: tuple[str, ...]
    epoch: int
    config: dict[str, Any] = field(default_factory=dict)
    base_config: dict[str, Any] = field(default_factory=dict)
    history: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    compression: str = GZIP
    architecture: str | None = None


@dataclass(frozen=True)
class _Layer:
    digest: str
    blob: dict[str, Any]
    created_by: str


def layout_of(store: LayerStore) -> OciLayout:
    """The store's one OCI image layout."""
    return OciLayout(blobs_of(store).directory.removesuffix("/blobs/sha256"))


def host_platform() -> dict[str, str]:
    """``{os, architecture[, variant]}`` of this host in OCI's words."""
    architecture, variant = _ARCHITECTURES.get(platform.machine(), (platform.machine(), None))
    found = {"os": "linux", "architecture": architecture}
    return {**found, "variant": variant} if variant else found


def compose(store: LayerStore, request: ImageRequest) -> tuple[dict[str, Any], bool]:
    """Pack what is not packed, write config and manifest, enter the image into the index, untagged.

    Returns the artifact {kind, id, digest, location, size, config, run, paths, sizes} and whether it is new.
    """
    if not request.layers:
        raise StoreError(f"image '{request.name}' has no layers")
    layout = layout_of(store)
    layout.ensure()
    layers = _packed_layers(store, request)
    settings = image_config(request.config, request.base_config, has_init=_has_init(store, request.layers))
    config = _config(request, layers, settings)
    config_digest = layout.blobs.put(canonical_json(config))
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(CONFIG_TYPE, config_digest, layout.blobs.size(config_digest)),
        "layers": [
            _descriptor(layer.blob["media_type"], layer.blob["digest"], layer.blob["size"])
            for layer in layers
        ],
        "annotations": _annotations(request),
    }
    digest = layout.blobs.put(canonical_json(manifest))
    descriptor = _descriptor(MANIFEST_TYPE, digest, layout.blobs.size(digest))
    descriptor["platform"] = {key: config[key] for key in ("os", "architecture", "variant") if key in config}
    changed = layout.add(descriptor)
    size = sum(layer.blob["size"] for layer in layers)
    parts = _unique([digest, config_digest, *_blob_digests(layers)])
    artifact = {
        "kind": "oci-image",
        "id": config_digest,
        "digest": digest,
        "location": f"oci:{layout.path}@{digest}",
        "size": size + manifest["config"]["size"] + descriptor["size"],
        "config": settings,
        "run": run_command(f"oci:{layout.path}:{checked_name(request.name)}", settings),
        "paths": [*(layout.blobs.path(blob) for blob in parts), layout.index],
        "sizes": [layout.blobs.size(blob) for blob in parts],
    }
    return artifact, changed


def run_command(reference: str, config: dict[str, Any]) -> str:
    """A command that runs the image ``reference`` with each of its ports published."""
    words = ["podman", "run", "--rm", *needed_ulimit_options()]
    if config.get("Cmd") == [INIT] and not config.get("Entrypoint"):
        words += ["--systemd=always"]
    for port in sorted(config.get("ExposedPorts", {})):
        number, _slash, protocol = port.partition("/")
        target = number if protocol == "tcp" else port
        words += ["-p", f"{_unprivileged(number)}:{target}"]
    return shlex.join([*words, reference])


def rfc3339(epoch: int) -> str:
    """Seconds since 1970 as image-spec writes times."""
    return datetime.fromtimestamp(epoch, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unprivileged(number: str) -> str:
    """The port, or one above 1024 in the same place of another thousand: 80 is 8080, 443 is 8443."""
    if not number.isdigit() or int(number) >= 1024:
        return number
    return str(8000 + int(number))


def _packed_layers(store: LayerStore, request: ImageRequest) -> list[_Layer]:
    flattened = _flattened_count(len(request.layers))
    layers = []
    if flattened:
        layers.append(_flatten(store, request, request.layers[:flattened]))
    for layer_id in request.layers[flattened:]:
        packed = pack(store, layer_id, epoch=request.epoch, compression=request.compression)
        layers.append(_Layer(packed["digest"], packed["blob"], _created_by(store, request, layer_id)))
    return layers


def _flattened_count(count: int) -> int:
    """How many of the lowest layers become one: none up to MOST_LAYERS, else in steps."""
    if count <= MOST_LAYERS:
        return 0
    needed = count - MOST_LAYERS + 1
    return min(count, -(-needed // _FLATTEN_STEP) * _FLATTEN_STEP)


def _flatten(store: LayerStore, request: ImageRequest, layer_ids: tuple[str, ...]) -> _Layer:
    """One layer with what ``layer_ids`` show together; remembered by their digests."""
    digests = [
        store.record(i).get("digest") or pack(store, i, epoch=request.epoch)["digest"] for i in layer_ids
    ]
    key = hashlib.sha256(canonical_json([digests, request.epoch, request.compression])).hexdigest()
    directory = os.path.join(store.root, "flattened")
    path = os.path.join(directory, f"{key}.json")
    blobs = blobs_of(store)
    packed = _remembered(path)
    if packed is None or not blobs.is_intact(packed["blob"]["digest"]):
        trees = [store.tree(layer_id) for layer_id in layer_ids]
        packed = pack_trees(trees, blobs, epoch=request.epoch, compression=request.compression, whole=True)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        write_atomically(path, canonical_json(packed))
    makers = [_created_by(store, request, layer_id) for layer_id in layer_ids]
    return _Layer(packed["digest"], packed["blob"], "; ".join(_unique(makers)))


def _remembered(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as source:
            found = json.load(source)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _created_by(store: LayerStore, request: ImageRequest, layer_id: str) -> str:
    known = request.history.get(layer_id)
    return str(known or store.record(layer_id).get("created_by") or "base")


def _has_init(store: LayerStore, layer_ids: tuple[str, ...]) -> bool:
    for layer_id in reversed(layer_ids):
        with opened(store.tree(layer_id)) as tree:
            for path in _INITS:
                status = status_beneath(tree, path)
                if status:
                    return not is_whiteout(status)
    return False


def _config(request: ImageRequest, layers: list[_Layer], settings: dict[str, Any]) -> dict[str, Any]:
    created = rfc3339(request.epoch)
    host: dict[str, Any] = {**host_platform()}
    if request.architecture not in (None, host["architecture"]):
        host = {"os": "linux", "architecture": request.architecture}
    return {
        **host,
        "created": created,
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [{"created": created, "created_by": layer.created_by} for layer in layers],
    }


def _annotations(request: ImageRequest) -> dict[str, str]:
    found = {
        "org.opencontainers.image.created": rfc3339(request.epoch),
        "org.opencontainers.image.title": request.name,
        "io.bakery.role-set": request.name,
    }
    if request.fingerprint:
        found["io.bakery.fingerprint"] = request.fingerprint
    return {
        **found,
        **{str(key): str(value) for key, value in request.annotations.items() if value is not None},
    }


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _blob_digests(layers: list[_Layer]) -> list[str]:
    return [layer.blob["digest"] for layer in layers]


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))
