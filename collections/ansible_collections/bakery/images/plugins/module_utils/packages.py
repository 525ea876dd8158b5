# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages of layers, read from the dpkg database in their trees; nothing runs in the image.

Other package managers have no database here, and their layers no packages.
"""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.beneath import read_small, status_beneath
from ansible_collections.bakery.images.plugins.module_utils.contents_program import (
    LARGEST_TEXT,
    STATUS,
    parse_status,
)
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import is_whiteout, opened


def packages_of(store: LayerStore, layer_ids: list[str]) -> dict[str, str]:
    """Package -> version of what the stacked layers (lowest first) show."""
    for layer_id in reversed(layer_ids):
        found = _own_packages(store.tree(layer_id))
        if found is not None:
            return found
    return {}


def layer_packages(store: LayerStore, layer_id: str, parents: list[str]) -> dict[str, list[list[str]]]:
    """What a layer changed against its parents (lowest first): ``compare_packages`` of the two."""
    own = _own_packages(store.tree(layer_id))
    if own is None:
        return compare_packages({}, {})
    return compare_packages(packages_of(store, parents), own)


def compare_packages(before: dict[str, str], after: dict[str, str]) -> dict[str, list[list[str]]]:
    """``{added: [[name, version]…], removed: [[name, version]…], changed: [[name, old, new]…]}``, sorted."""
    return {
        "added": [[name, after[name]] for name in sorted(after.keys() - before.keys())],
        "removed": [[name, before[name]] for name in sorted(before.keys() - after.keys())],
        "changed": [
            [name, before[name], after[name]]
            for name in sorted(after.keys() & before.keys())
            if before[name] != after[name]
        ],
    }


def packages_by_layer(store: LayerStore, layer_ids: list[str]) -> list[dict[str, Any]]:
    """``[{name, version, layer}…]`` of the stacked layers: which one brought each package in its version."""
    seen: dict[str, tuple[str, str]] = {}
    for layer_id in layer_ids:
        own = _own_packages(store.tree(layer_id))
        if own is not None:
            seen = {
                name: seen[name] if name in seen and seen[name][0] == version else (version, layer_id)
                for name, version in own.items()
            }
    return [{"name": name, "version": seen[name][0], "layer": seen[name][1]} for name in sorted(seen)]


def _own_packages(tree: str) -> dict[str, str] | None:
    """The database in one layer: None if the layer has none of its own, {} if it deletes it."""
    try:
        with opened(tree) as root:
            content = read_small(root, STATUS, limit=LARGEST_TEXT)
            if content is None:
                status = status_beneath(root, STATUS)
                return {} if status and is_whiteout(status) else None
            return parse_status(content)
    except OSError as error:
        raise StoreError(
            f"cannot read the package database /{os.fsdecode(STATUS)} of a layer: {error.strerror}"
        ) from error
