# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a stack of layers, in the words in which a machine's contents are told (contents_program)."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import contents_program
from ansible_collections.bakery.images.plugins.module_utils.beneath import open_regular, read_limited
from ansible_collections.bakery.images.plugins.module_utils.contents_rules import PATTERNS
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.packages import packages_by_layer
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import Entry, display, opened, walk

_NAMED = frozenset(
    {contents_program.STATUS, contents_program.DIVERSIONS, contents_program.PASSWD, contents_program.GROUP}
)


def stack_contents(store: LayerStore, layer_ids: list[str]) -> dict[str, Any]:
    """What is in the stack (ids, lowest first), of which files are told only if a role's layer has them.

    ``{packages: {name: version}, files: {path: {…}}, roles: {path: role}, package_roles: {name: role}}``;
    ``package_roles`` has the packages that a role brought in their version.
    """
    by_id = {layer_id: store.record(layer_id).get("role") for layer_id in layer_ids}
    roles = [by_id[layer_id] for layer_id in layer_ids]
    trees = [store.tree(layer_id) for layer_id in layer_ids]
    try:
        entries, texts = _look(trees)
        with ExitStack() as stack:
            roots = [stack.enter_context(opened(tree)) for tree in trees]
            contents = contents_program.describe(
                entries,
                texts,
                lambda entry: open_regular(roots[entry.layer], entry.path),
                wanted=lambda entry: bool(roles[entry.layer]),
            )
    except OSError as error:
        name = os.fsdecode(error.filename) if error.filename else "a layer's tree"
        raise StoreError(f"cannot read {name!r}: {error.strerror}") from error
    holders = {f"/{display(entry.path)}": roles[entry.layer] for entry in entries}
    brought = {row["name"]: by_id[row["layer"]] for row in packages_by_layer(store, layer_ids)}
    return {
        **contents,
        "roles": {path: holders[path] for path in contents["files"]},
        "package_roles": {name: role for name, role in brought.items() if role},
    }


def _look(trees: list[str]) -> tuple[list[contents_program.Entry], contents_program.Texts]:
    """The entries of the merged trees, and the files among them that say what the others are."""
    out = contents_program.left_out(PATTERNS)
    entries: list[contents_program.Entry] = []
    named: dict[bytes, bytes] = {}
    found: dict[bytes, dict[bytes, bytes]] = {b".list": {}, b".md5sums": {}}
    for entry in walk(trees):
        if not entry.path or entry.is_whiteout:
            continue
        package, ending = contents_program.info_of(entry.path)
        if entry.path in _NAMED:
            named[entry.path] = _text(entry)
        elif ending in found:
            found[ending][package] = _text(entry)
        if not out(entry.path):
            is_link = stat.S_ISLNK(entry.status.st_mode)
            target = os.readlink(entry.name, dir_fd=entry.parent) if is_link else b""
            entries.append(contents_program.Entry(entry.path, entry.status, target, entry.layer))
    return entries, contents_program.Texts(named, found[b".list"], found[b".md5sums"])


def _text(entry: Entry) -> bytes:
    """What is in a file; nothing if it is none."""
    if not stat.S_ISREG(entry.status.st_mode):
        return b""
    with os.fdopen(entry.open(), "rb") as source:
        return read_limited(source.fileno(), limit=contents_program.LARGEST_TEXT, path=entry.path)
