# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pruning: what no kept image, kept layer, kept base, machine or failed bake refers to is removed."""

from __future__ import annotations

import glob
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.directory_chain import disk_usage
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    LayerCorrupt,
    LayerStore,
    StoreError,
)
from ansible_collections.bakery.images.plugins.module_utils.oci_image import layout_of
from ansible_collections.bakery.images.plugins.module_utils.oci_layout import (
    OciLayout,
    blobs_of_image,
)
from ansible_collections.bakery.images.plugins.module_utils.unfinished import PARTIAL, is_abandoned

_BLOCK = 512


@dataclass(frozen=True)
class Keep:
    """What to keep: layer ids, manifest digests, and bases by name, digest or key.

    ``grace_s``: layers and blobs younger than so many seconds stay too: somebody may be about to need them.
    """

    layers: frozenset[str]
    images: frozenset[str]
    bases: frozenset[str]
    grace_s: int = 0


@dataclass
class Garbage:
    """What goes: layer ids, digests of manifests and blobs, paths of records and leftovers; bytes on disk."""

    layers: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    blobs: list[str] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.layers or self.images or self.blobs or self.bases or self.leftovers)


def find_garbage(store: LayerStore, keep: Keep) -> Garbage:
    """What a prune would remove; changes nothing.

    StoreError if a journal or record cannot be read: it may protect something.
    """
    layout = layout_of(store)
    garbage = Garbage()
    youngest = time.time() - keep.grace_s
    kept_layers = set(keep.layers) | _layers_in_use(store)
    for path, base in _documents(os.path.join(store.root, "bases"), ".json"):
        key = os.path.basename(path).removesuffix(".json")
        layers = {layer["id"] for layer in base.get("layers", ())}
        # One that lost a layer, or whose layer is corrupt, was made again under another id.
        if {key, base.get("name"), base.get("digest")} & keep.bases and all(map(store.exists, layers)):
            kept_layers |= layers
        else:
            garbage.bases.append(path)
    for layer_id in store.ids():
        if layer_id not in kept_layers and os.stat(store.path(layer_id)).st_ctime < youngest:
            garbage.layers.append(layer_id)
            garbage.bytes += disk_usage(store.path(layer_id))
    garbage.images = sorted({entry["digest"] for entry in layout.descriptors()} - keep.images)
    used = _blobs_in_use(store, layout, layers=set(garbage.layers), images=set(garbage.images))
    for digest in layout.blobs.digests():
        status = os.stat(layout.blobs.path(digest))
        if digest not in used and status.st_ctime < youngest:
            garbage.blobs.append(digest)
            garbage.bytes += status.st_blocks * _BLOCK
    garbage.leftovers = [
        *_dead_partials(layout),
        *_flattened_without_blob(store, set(garbage.blobs)),
        *_packed_modules(store, youngest),
    ]
    return garbage


def remove_garbage(store: LayerStore, garbage: Garbage) -> None:
    """Remove it: first what refers, then what is referred to, so that nothing ever dangles."""
    layout = layout_of(store)
    if garbage.images:
        layout.drop(set(garbage.images))
    for path in [*garbage.bases, *garbage.leftovers]:
        _unlink(path)
    for layer_id in garbage.layers:
        store.remove(layer_id)
    for digest in garbage.blobs:
        layout.blobs.remove(digest)


def _layers_in_use(store: LayerStore) -> set[str]:
    """Layers under machines and under what failed bakes left to look into."""
    used: set[str] = set()
    for directory, name in (("machines", "machine.json"), ("failed", "layer.json")):
        for path, document in _documents(os.path.join(store.root, directory), f"/{name}"):
            parents = document.get("parents", [])
            if not (isinstance(parents, list) and all(isinstance(one, str) for one in parents)):
                raise StoreError(f"{path} has no list of parents; run the sweep before pruning")
            used.update(parents)
    return used


def _blobs_in_use(store: LayerStore, layout: OciLayout, *, layers: set[str], images: set[str]) -> set[str]:
    used: set[str] = set()
    for entry in layout.descriptors():
        if entry["digest"] not in images:
            used |= blobs_of_image(layout.blobs, entry["digest"])
    for layer_id in store.ids():
        if layer_id not in layers:
            used |= _blobs_of_layer(store, layer_id)
    return used


def _blobs_of_layer(store: LayerStore, layer_id: str) -> set[str]:
    """None of a corrupt layer's: nobody uses it any more, and its images know their blobs themselves."""
    try:
        return {blob["digest"] for blob in store.record(layer_id).get("blobs", {}).values()}
    except LayerCorrupt:
        return set()


def _documents(directory: str, suffix: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """The JSON objects ``directory/*suffix``; ``.partial`` ones left out."""
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return
    for name in names:
        path = (
            os.path.join(directory, name) if name.endswith(suffix) else os.path.join(directory, name + suffix)
        )
        if PARTIAL in name or not os.path.isfile(path):
            continue
        try:
            with open(path, "rb") as source:
                document = json.load(source)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{path} cannot be read ({error}); run the sweep before pruning") from error
        if not isinstance(document, dict):
            raise StoreError(f"{path} is not a JSON object; run the sweep before pruning")
        yield path, document


def _dead_partials(layout: OciLayout) -> list[str]:
    """Half-written blobs whose writer is gone."""
    return [path for path in layout.blobs.stale() if is_abandoned(path, busy=True)]


def _packed_modules(store: LayerStore, youngest: float) -> list[str]:
    """What the connection plugin keeps of packed modules: the next run packs anew what it misses."""
    paths = glob.glob(os.path.join(glob.escape(store.root), "payloads", "*", "*"))
    return [path for path in sorted(paths) if os.lstat(path).st_ctime < youngest]


def _flattened_without_blob(store: LayerStore, doomed: set[str]) -> list[str]:
    return [
        path
        for path, document in _documents(os.path.join(store.root, "flattened"), ".json")
        if document.get("blob", {}).get("digest") in doomed
    ]


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot remove {path}: {error.strerror}") from error
