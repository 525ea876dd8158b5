# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layer store: frozen overlay upper directories and their records.

A layer is ``layers/<id>/{tree/,layer.json}`` below the store's root. It appears there complete, by one
rename from ``layers/<id>.….partial``, and disappears by the opposite rename: a directory without the
``.partial`` suffix is whole at any instant, also after SIGKILL. ``l/<short>`` are symbolic links to
trees, so that overlay's ``lowerdir=`` of many layers stays below the kernel's limit of one page of options.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree
from ansible_collections.bakery.images.plugins.module_utils.unfinished import PARTIAL, unfinished

FORMAT = 1
_LAYER_ID = re.compile(r"\A[0-9a-f]{16}\Z")
_SHORTEST = 6


class StoreError(Exception):
    """Something in the store is missing, corrupt or cannot be written; the message is a sentence."""


class LayerCorrupt(StoreError):
    """A layer is missing or is not what it was: whoever knows how it was made can make it again."""

    def __init__(self, message: str, layer_id: str) -> None:
        self.layer_id = layer_id
        super().__init__(message)


def fsync_directory(path: str) -> None:
    """Make the names in the directory ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: str, content: bytes) -> None:
    """Replace the file ``path`` by ``content`` in one step: a ``.partial`` sibling, fsync, rename."""
    partial = unfinished(path)
    try:
        with open(partial, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.rename(partial, path)
    except OSError as error:
        _unlink_quietly(partial)
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
    fsync_directory(os.path.dirname(path))


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class LayerStore:
    """Layers below ``root`` (= ``$BAKERY_HOME/container``). Raises StoreError, nothing else of its own."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.layers = os.path.join(self.root, "layers")
        self.links = os.path.join(self.root, "l")

    def ensure(self) -> None:
        """Create the store's directories (mode 0700: trees hold set-uid files and other people's data)."""
        try:
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            for directory in (self.layers, self.links):
                os.makedirs(directory, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot create the layer store at {self.root}: {error.strerror}") from error

    def new_id(self) -> str:
        """A fresh layer id, 16 hexadecimal digits; ids mean nothing, digests do."""
        return secrets.token_hex(8)

    def path(self, layer_id: str) -> str:
        """The directory of a layer, existing or not; refuses anything that is not a layer id."""
        if not _LAYER_ID.match(layer_id):
            raise StoreError(f"'{layer_id}' is not a layer id (16 hexadecimal digits)")
        return os.path.join(self.layers, layer_id)

    def tree(self, layer_id: str) -> str:
        """The absolute path of a layer's frozen upper directory; LayerCorrupt if the layer is not whole."""
        tree = os.path.join(self.path(layer_id), "tree")
        if not os.path.isdir(tree) or os.path.islink(tree):
            raise LayerCorrupt(
                f"layer {layer_id} is not in the store at {self.root}; bake it again", layer_id
            )
        return tree

    def exists(self, layer_id: str) -> bool:
        """Whether the layer is in the store, whole as far as its record tells."""
        try:
            self.record(layer_id)
        except LayerCorrupt:
            return False
        return True

    def lowerdirs(self, ids_lowest_first: Iterable[str]) -> list[str]:
        """Short paths of the trees relative to ``root``, HIGHEST first, as ``lowerdir=`` wants them.

        The kernel refuses a directory twice. A layer that occurs again higher up is left out below: whatever
        it says of a path, it says once more on top. LayerCorrupt if a layer or its record is not whole.
        """
        highest_first = dict.fromkeys(reversed(tuple(ids_lowest_first)))
        for layer_id in highest_first:
            self.record(layer_id)
        return [f"l/{self._link(layer_id)}" for layer_id in highest_first]

    def commit(self, tree: str, record: dict[str, Any], layer_id: str | None = None) -> str:
        """Freeze the directory ``tree`` (same file system) as a layer by renaming it; returns the id.

        The file data itself is not flushed: that would take time in proportion to its size, and a tree
        damaged by a power failure is found by its digest.
        """
        layer_id = layer_id or self.new_id()
        final = self.path(layer_id)
        partial = unfinished(final)
        if os.path.lexists(final):
            raise StoreError(f"layer {layer_id} is already in the store at {self.root}")
        try:
            os.mkdir(partial, 0o700)
            self._write_record(partial, {**record, "id": layer_id, "format": FORMAT})
            os.rename(tree, os.path.join(partial, "tree"))
            fsync_directory(partial)
            os.rename(partial, final)
            fsync_directory(self.layers)
        except OSError as error:
            raise StoreError(_commit_failure(tree, layer_id, error)) from error
        self._link(layer_id)
        return layer_id

    def record(self, layer_id: str) -> dict[str, Any]:
        """What ``layer.json`` says; LayerCorrupt if layer or record are missing, unreadable or spoilt."""
        self.tree(layer_id)
        path = os.path.join(self.path(layer_id), "layer.json")
        try:
            with open(path, "rb") as source:
                record = json.load(source)
        except FileNotFoundError as error:
            raise LayerCorrupt(f"layer {layer_id} has no layer.json; bake it again", layer_id) from error
        except (OSError, ValueError) as error:
            raise LayerCorrupt(f"{path} cannot be read ({error}); bake the layer again", layer_id) from error
        if not isinstance(record, dict) or record.get("id") != layer_id:
            raise LayerCorrupt(f"{path} is not the record of layer {layer_id}; bake it again", layer_id)
        if spoilt := record.get("spoilt"):
            raise LayerCorrupt(f"layer {layer_id} is corrupt: {spoilt}; bake it again", layer_id)
        return record

    def spoil(self, layer_id: str, how: str) -> LayerCorrupt:
        """Remember that a layer is not what it was, so that nobody uses it any more; returns what to raise.

        ``how`` is half a sentence. Machines that stand on the layer go on; a prune removes it.
        """
        with suppress(StoreError):  # a disk that is full or read-only: it is found out again next time
            self.update_record(layer_id, spoilt=how)
        return LayerCorrupt(f"layer {layer_id} is corrupt: {how}; bake it again", layer_id)

    def update_record(self, layer_id: str, **fields: Any) -> dict[str, Any]:
        """Replace the named fields of a layer's record in one step; returns the new record."""
        record = {**self.record(layer_id), **fields}
        self._write_record(self.path(layer_id), record)
        return record

    def ids(self) -> list[str]:
        """The ids of all whole layers, sorted."""
        return [name for name in self._names() if _LAYER_ID.match(name)]

    def stale(self) -> list[str]:
        """Absolute paths of ``.partial`` leftovers in layers/, of dead writers and of live ones."""
        return [os.path.join(self.layers, name) for name in self._names() if name.endswith(PARTIAL)]

    def remove(self, layer_id: str) -> None:
        """Remove a layer; it stops existing by a rename before anything of it is deleted."""
        path = self.path(layer_id)
        doomed = unfinished(path)
        try:
            os.rename(path, doomed)
        except FileNotFoundError as error:
            raise StoreError(f"layer {layer_id} is not in the store at {self.root}") from error
        except OSError as error:
            raise StoreError(f"cannot remove layer {layer_id}: {error.strerror}") from error
        self._unlink_links(layer_id)
        try:
            delete_tree(doomed)
        except OSError as error:
            raise StoreError(f"cannot delete {doomed}: {error.strerror}") from error

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self.layers))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"cannot list {self.layers}: {error.strerror}") from error

    @staticmethod
    def _write_record(directory: str, record: dict[str, Any]) -> None:
        write_atomically(os.path.join(directory, "layer.json"), canonical_json(record) + b"\n")

    def _link(self, layer_id: str) -> str:
        """The name in ``l/`` of a layer's tree, made if a crash after the commit lost it."""
        self.tree(layer_id)
        target = f"../layers/{layer_id}/tree"
        for length in range(_SHORTEST, len(layer_id) + 1):
            name = layer_id[:length]
            path = os.path.join(self.links, name)
            try:
                os.symlink(target, path)
            except FileExistsError:
                if _readlink(path) != target:
                    continue
            except OSError as error:
                raise StoreError(f"cannot write {path}: {error.strerror}") from error
            return name
        raise StoreError(f"{self.links} holds foreign files in the place of layer {layer_id}; remove them")

    def _unlink_links(self, layer_id: str) -> None:
        for length in range(_SHORTEST, len(layer_id) + 1):
            path = os.path.join(self.links, layer_id[:length])
            if _readlink(path) == f"../layers/{layer_id}/tree":
                _unlink_quietly(path)


def _readlink(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _unlink_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def _commit_failure(tree: str, layer_id: str, error: OSError) -> str:
    if error.errno == errno.EXDEV:
        return f"cannot freeze {tree}: it is not on the file system of the layer store"
    return f"cannot freeze {tree} as layer {layer_id}: {error.strerror}"
