# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a captured image to what a machine needs to run it: its layers in the store and its configuration."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.foreign_layout import ForeignLayout
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.oci_image import layout_of
from ansible_collections.bakery.images.plugins.module_utils.oci_reference import SourceImage
from ansible_collections.bakery.images.plugins.module_utils.oci_source import import_image
from ansible_collections.bakery.images.plugins.module_utils.packing import verify


@dataclass(frozen=True)
class CapturedImage:
    """Layer ids, lowest first, and the ``config`` object of the image's configuration (image-spec)."""

    layers: tuple[str, ...]
    config: dict[str, Any]


def captured_image(store: LayerStore, reference: str, *, read_all: bool = False) -> CapturedImage:
    """The image that a manifest digest or a name of the store's image layout stands for.

    A machine runs on the trees of the layers, a user on the blobs. With ``read_all`` both are read, which
    takes as long as packing: LayerCorrupt or StoreError unless every one has its digest.
    """
    layout = layout_of(store)
    image = layout.image(reference)
    if read_all:
        for digest in sorted(image.blobs):
            layout.blobs.check(digest, of=f"image {reference}")
    known = _layers_by_digest(store)
    diff_ids = image.config["rootfs"]["diff_ids"]
    if read_all:
        # Also those that only equal the ones it would run on: the next bake may build on them.
        for layer_id in [
            layer_id for diff_id in dict.fromkeys(diff_ids) for layer_id in known.get(diff_id, ())
        ]:
            verify(store, layer_id)
    if all(diff_id in known for diff_id in diff_ids):
        layers = [known[diff_id][0] for diff_id in diff_ids]
    else:
        # Layers that were flattened into one for the image exist as a blob only: unpack it.
        with import_lock(store):
            name = f"oci:{layout.path}@{image.digest}"
            source = SourceImage(ForeignLayout(layout.path, name), image, name)
            layers = import_image(store, source, name)["layers"]
    return CapturedImage(tuple(layers), {**image.config.get("config", {})})


@contextmanager
def import_lock(store: LayerStore) -> Iterator[None]:
    """Held while layers are written outside of any machine, so that the sweep sees that somebody works."""
    directory = os.path.join(store.root, "bases")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    with open(os.path.join(directory, "import.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _layers_by_digest(store: LayerStore) -> dict[str, list[str]]:
    known: dict[str, list[str]] = {}
    for layer_id in store.ids():
        try:
            digest = store.record(layer_id).get("digest")
        except StoreError:
            continue
        if digest:
            known.setdefault(digest, []).append(layer_id)
    return known
