# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the null target: a JSON document that names layers, and names that point at documents."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import tarfile
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import contents_program
from ansible_collections.bakery.images.plugins.module_utils.contents_rules import PATTERNS
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    LayerStore,
    canonical_json,
    write_atomically,
)
from ansible_collections.bakery.images.plugins.module_utils.scratch import files_of


class ScratchImages:
    """Images in ``images/<hexadecimal digest>.json`` and their names in ``names.json``."""

    def __init__(self, root: str) -> None:
        self.store = LayerStore(root)
        self._directory = os.path.join(self.store.root, "images")
        self._names = os.path.join(self.store.root, "names.json")

    def compose(self, layers: list[str], image: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """Write the image down; returns the artifact, and whether it is new."""
        digests = [self.store.record(layer_id)["digest"] for layer_id in layers]
        if not layers:
            raise MachineFailure("an image needs at least one layer")
        config = {"layers": digests, "config": image.get("config", {}), "epoch": image.get("epoch", 0)}
        config_digest = _digest(config)
        document = {
            "config": config,
            "layers": layers,
            "name": image.get("name", ""),
            "layer_digests": digests,
        }
        content = canonical_json(document) + b"\n"
        digest = _digest({key: value for key, value in document.items() if key != "layers"})
        path = self._path(digest)
        fresh = not os.path.exists(path)
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        write_atomically(path, content)
        tree = self.store.tree(layers[-1])
        artifact = {
            "kind": "scratch-image",
            "id": config_digest,
            "digest": digest,
            "location": f"dir:{tree}",
            "size": self.store.record(layers[-1])["size"],
            "run": f"ls {tree}",
            "paths": [path, tree],
        }
        return artifact, fresh

    def layers(self, reference: str) -> tuple[str, ...]:
        """Layer ids, lowest first, of the image that a digest or a name stands for."""
        digest = self.names().get(reference, reference)
        try:
            with open(self._path(digest), "rb") as source:
                return tuple(json.load(source)["layers"])
        except (FileNotFoundError, ValueError) as error:
            raise MachineFailure(f"there is no image '{reference}' in {self._directory}") from error

    def names(self) -> dict[str, str]:
        """Name -> digest."""
        try:
            with open(self._names, "rb") as source:
                return dict(json.load(source))
        except FileNotFoundError:
            return {}

    def point(self, reference: str, names: list[str]) -> bool:
        """Make names point at an image; returns whether that changed anything."""
        self.layers(reference)
        before = self.names()
        after = {**before, **dict.fromkeys(names, before.get(reference, reference))}
        if after != before:
            write_atomically(self._names, canonical_json(after) + b"\n")
        return after != before

    def export(self, reference: str, path: str) -> dict[str, Any]:
        """Write the image's tree as a tar file."""
        layers = self.layers(reference)
        partial = f"{path}.partial"
        try:
            with tarfile.open(partial, "w") as archive:
                archive.add(self.store.tree(layers[-1]), arcname=".")
            os.rename(partial, path)
        except OSError as error:
            raise MachineFailure(f"{path} cannot be written: {error.strerror}") from error
        digest = self.names().get(reference, reference)
        return {"path": path, "format": "tar", "bytes": os.path.getsize(path), "digest": digest, "names": []}

    def prune(self, keep: dict[str, list[str]], *, apply: bool) -> dict[str, Any]:
        """Remove images and layers that are not in ``keep`` (``layers``, ``images``)."""
        doomed_images = [digest for digest in self._digests() if digest not in keep["images"]]
        doomed_layers = [layer_id for layer_id in self.store.ids() if layer_id not in keep["layers"]]
        size = sum(int(self.store.record(layer_id).get("size", 0)) for layer_id in doomed_layers)
        if apply:
            for digest in doomed_images:
                os.unlink(self._path(digest))
            for layer_id in doomed_layers:
                self.store.remove(layer_id)
            names = {name: digest for name, digest in self.names().items() if digest not in doomed_images}
            if names != self.names():
                write_atomically(self._names, canonical_json(names) + b"\n")
        return {"layers": doomed_layers, "images": doomed_images, "blobs": [], "bases": [], "bytes": size}

    def inspect(self, layers: list[str], others: list[str] | None) -> dict[str, Any]:
        """What is in the layers, or what sets two stacks apart."""
        if others is None:
            names = ("role", "version", "created_by", "digest", "size", "files")
            rows = []
            for layer_id in layers:
                record = self.store.record(layer_id)
                rows.append({"id": layer_id, **{name: record.get(name) for name in names}})
            return {"layers": rows, "packages": []}
        before, after = files_of(self.store.tree(layers[-1])), files_of(self.store.tree(others[-1]))
        files = []
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) != after.get(path):
                change = (
                    "changed" if path in before and path in after else "added" if path in after else "removed"
                )
                role = self.store.record((others if path in after else layers)[-1]).get("role")
                files.append({"path": f"/{path}", "change": change, "what": ["content"], "role": role})
        return {"packages": {"added": [], "removed": [], "changed": []}, "files": files}

    def contents(self, layers: list[str]) -> dict[str, Any]:
        """What is in the layers as in stack_contents; a layer's tree has all that is in those below it."""
        described = contents_program.look_at(self.store.tree(layers[-1]), PATTERNS)
        below: dict[str, str] = {}
        roles = {}
        for layer_id in layers:
            files = files_of(self.store.tree(layer_id))
            role = self.store.record(layer_id).get("role")
            roles.update({f"/{path}": role for path in files if files[path] != below.get(path)})
            below = files
        files = {path: told for path, told in described["files"].items() if roles.get(path)}
        return {"packages": {}, "files": files, "roles": {path: roles[path] for path in files}}

    def _digests(self) -> list[str]:
        paths = glob.glob(os.path.join(glob.escape(self._directory), "*.json"))
        return [f"sha256:{os.path.basename(path).removesuffix('.json')}" for path in sorted(paths)]

    def _path(self, digest: str) -> str:
        return os.path.join(self._directory, f"{digest.removeprefix('sha256:').replace('/', '_')}.json")


def _digest(value: Any) -> str:
    return f"sha256:{hashlib.sha256(canonical_json(value)).hexdigest()}"
