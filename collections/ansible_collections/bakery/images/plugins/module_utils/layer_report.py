# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports on stacks of layers for people: packages, files, and what sets two stacks apart, by role."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore
from ansible_collections.bakery.images.plugins.module_utils.packages import (
    compare_packages,
    packages_by_layer,
    packages_of,
)
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import display, walk
from ansible_collections.bakery.images.plugins.module_utils.tree_diff import (
    FileDifference,
    compare_trees,
    kind_of,
)


def describe_stack(store: LayerStore, layer_ids: list[str], *, files: bool) -> dict[str, Any]:
    """``{layers: [{id, role, version, created_by, digest, size, files, packages[, paths]}…],
    packages: [{name, version, layer, role}…]}``.

    ``files`` adds to each layer ``paths: [{path, kind, size}…]``, size in bytes.
    """
    roles = _roles(store, layer_ids)
    layers = []
    for layer_id in layer_ids:
        record = store.record(layer_id)
        keys = ("id", "role", "version", "created_by", "digest", "size", "files", "packages")
        layer = {key: record.get(key) for key in keys}
        if files:
            layer["paths"] = list_files(store, layer_id)
        layers.append(layer)
    packages = [{**row, "role": roles[row["layer"]]} for row in packages_by_layer(store, layer_ids)]
    return {"layers": layers, "packages": packages}


def list_files(store: LayerStore, layer_id: str) -> list[dict[str, Any]]:
    """``[{path, kind, size}…]`` of one layer, its root left out; a whiteout is a deleted path."""
    return [
        {"path": f"/{display(entry.path)}", "kind": kind_of(entry), "size": entry.status.st_size}
        for entry in walk([store.tree(layer_id)])
        if entry.path
    ]


def compare_stacks(store: LayerStore, before: list[str], after: list[str]) -> dict[str, Any]:
    """How the stack ``after`` differs from ``before`` (ids, lowest first).

    ``{packages: {added, removed: [{name, version, role}…], changed: [{name, old, new, role}…]},
    files: [{path, kind, change, what, role, layer, before_layer}…]}``. ``role`` wrote or deleted the path,
    or brought the package, in ``after``; where that cannot be told, in ``before``. Two single layers are
    compared with their whiteouts and times, as their digests are made of these.
    """
    single = len(before) == len(after) == 1
    differences = compare_trees(
        [store.tree(layer_id) for layer_id in before],
        [store.tree(layer_id) for layer_id in after],
        epoch=store.record(after[0]).get("epoch") if single else None,
    )
    roles = {**_roles(store, before), **_roles(store, after)}
    files = []
    for one in differences if single else _without_whiteouts(differences):
        before_layer = None if one.before is None else before[one.before]
        layer = before_layer if one.after is None else after[one.after]
        files.append(
            {
                "path": f"/{display(one.path)}",
                "kind": one.kind,
                "change": one.change,
                "what": list(one.what),
                "role": roles[layer or ""],
                "layer": layer,
                "before_layer": before_layer,
            }
        )
    return {"packages": _packages(store, before, after, roles=roles), "files": files}


def _without_whiteouts(differences: Iterable[FileDifference]) -> Iterator[FileDifference]:
    """What people see of two whole stacks: whiteouts are no files, but tell which layer deleted one."""
    deleters: dict[bytes, int | None] = {}
    for one in differences:
        if one.kind == "whiteout":
            if one.change == "added":
                deleters[one.path] = one.after
        elif one.change == "removed":
            yield replace(one, after=_deleter(one.path, deleters))
        else:
            yield one


def _deleter(path: bytes, deleters: dict[bytes, int | None]) -> int | None:
    """The layer whose whiteout, seen before, hides the path or a directory above it."""
    while path:
        if path in deleters:
            return deleters[path]
        path = path.rpartition(b"/")[0]
    return None


def _packages(
    store: LayerStore, before: list[str], after: list[str], *, roles: dict[str, str]
) -> dict[str, list[dict[str, Any]]]:
    changes = compare_packages(packages_of(store, before), packages_of(store, after))
    ours = {row["name"]: roles[row["layer"]] for row in packages_by_layer(store, before)}
    theirs = {row["name"]: roles[row["layer"]] for row in packages_by_layer(store, after)}
    return {
        "added": [{"name": n, "version": v, "role": theirs.get(n)} for n, v in changes["added"]],
        "removed": [{"name": n, "version": v, "role": ours.get(n)} for n, v in changes["removed"]],
        "changed": [
            {"name": n, "old": old, "new": new, "role": theirs.get(n)} for n, old, new in changes["changed"]
        ],
    }


def _roles(store: LayerStore, layer_ids: list[str]) -> dict[str, str]:
    """Layer id -> role; a layer that no role made is of the ``base``."""
    return {layer_id: store.record(layer_id).get("role") or "base" for layer_id in layer_ids}
