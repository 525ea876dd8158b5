# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One OCI image layout for all images: manifests, the index and its tags (image-spec 1.1, image-layout.md).

``index.json`` changes only under a lock and by a rename; ``index.json.copy`` takes its place should it be
damaged, because nothing else knows which image a tag means. An image's tag is its
``org.opencontainers.image.ref.name``, written ``NAME:TAG``, so that ``oci:PATH:NAME:TAG`` names it for
skopeo and podman. An image stays in the index without a tag until something points at it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.bakery.images.plugins.module_utils.blob_store import BlobStore
from ansible_collections.bakery.images.plugins.module_utils.foreign_json import Foreign, foreign_json
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    StoreError,
    canonical_json,
    write_atomically,
)
from ansible_collections.bakery.images.plugins.module_utils.oci_documents import (
    Config,
    Descriptor,
    Manifest,
    config_of,
    descriptor_of,
    manifest_of,
)

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"
_SHORTEST_DIGEST = 6
LAYOUT_FILE = canonical_json({"imageLayoutVersion": "1.0.0"})
# What both the reference grammar of image-spec (annotations.md) and the name grammar of registries allow.
_NAME = re.compile(r"\A[a-z0-9]+(?:(?:[._]|__|-+|/)[a-z0-9]+)*:[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")


@dataclass(frozen=True)
class Image:
    """An image in the layout: its descriptor in the index, its manifest and its config."""

    descriptor: Descriptor
    manifest: Manifest
    config: Config

    @property
    def digest(self) -> str:
        return self.descriptor["digest"]

    @property
    def config_digest(self) -> str:
        return self.manifest["config"]["digest"]

    @property
    def blobs(self) -> set[str]:
        """The digests of all blobs of the image."""
        return _blobs(self.digest, self.manifest)


def index_bytes(descriptors: Sequence[Mapping[str, Any]]) -> bytes:
    """``index.json`` with these descriptors."""
    return canonical_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": list(descriptors)})


def checked_name(name: str) -> str:
    """``NAME:TAG``, a missing tag being ``latest``; StoreError if it cannot name an image."""
    full = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    if not _NAME.match(full):
        raise StoreError(
            f"'{name}' cannot name an image; write NAME:TAG with lower-case letters, digits, '.', '_', '-'"
        )
    return full


def found_in(entries: Iterable[Mapping[str, Any]], reference: str) -> list[str]:
    """The digests of those entries of an index that ``OciLayout.find`` gives."""
    digests = set()
    for entry in entries:
        if ref_name(entry) in (reference, f"{reference}:latest"):
            return [str(entry["digest"])]
        digests.add(str(entry["digest"]))
    wanted = reference.removeprefix("sha256:")
    return sorted(
        digest for digest in digests if len(wanted) >= _SHORTEST_DIGEST and digest[7:].startswith(wanted)
    )


class OciLayout:
    """The image layout in the directory ``path``. Raises StoreError."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.blobs = BlobStore(self.path)
        self.index = os.path.join(self.path, "index.json")
        self._copy = self.index + ".copy"

    def ensure(self) -> None:
        """Create an empty layout if there is none, and mend the index of one that is damaged."""
        self.blobs.ensure()
        with self._locked():
            marker = os.path.join(self.path, "oci-layout")
            if not os.path.exists(marker):
                write_atomically(marker, LAYOUT_FILE)
            if _read_index(self.index) is None:
                self._write(self.descriptors())

    def descriptors(self) -> list[dict[str, Any]]:
        """The index's entries, from its copy should it be damaged; none if there is no layout."""
        for path in (self.index, self._copy):
            entries = _read_index(path)
            if entries is not None:
                return entries
        if not os.path.lexists(self.index):
            return []
        raise StoreError(
            f"{self.index} is damaged and so is its copy; remove it and bake: images stay and are named anew"
        )

    def names(self) -> dict[str, str]:
        """Tag -> manifest digest."""
        return {name: entry["digest"] for entry in self.descriptors() if (name := ref_name(entry))}

    def find(self, reference: str) -> list[str]:
        """The manifest digests that a tag, a digest or its beginning means; ``NAME`` is ``NAME:latest``."""
        return found_in(self.descriptors(), reference)

    def resolve(self, reference: str) -> str:
        """The one manifest digest that ``find`` gives."""
        found = self.find(reference)
        if len(found) == 1:
            return found[0]
        problem = "names several images" if found else "is not in the image store"
        known = ", ".join(sorted(self.names())) or "none"
        raise StoreError(f"image '{reference}' {problem} at {self.path}; tagged are: {known}")

    def image(self, reference: str) -> Image:
        """The image that a tag or digest names, its manifest and config checked by digest."""
        if os.path.isdir(self.path) and _read_index(self.index) is None:
            self.ensure()
        digest = self.resolve(reference)
        entry = next(entry for entry in self.descriptors() if entry["digest"] == digest)
        return load_image(self.blobs, descriptor_of(Foreign(_untagged(entry), self.index)))

    def add(self, descriptor: dict[str, Any]) -> bool:
        """Put an image into the index, without a tag, if it is not there; whether that changed anything."""
        with self._locked():
            entries = self.descriptors()
            if any(entry["digest"] == descriptor["digest"] for entry in entries):
                return False
            self._write([*entries, descriptor])
            return True

    def tag(self, reference: str, names: list[str]) -> list[str]:
        """Let ``names`` (NAME:TAG) mean the image; returns those that did not before."""
        wanted = [checked_name(name) for name in names]
        with self._locked():
            digest = self.resolve(reference)
            entries = self.descriptors()
            before = {name for entry in entries if (name := ref_name(entry)) and entry["digest"] == digest}
            changed = [name for name in wanted if name not in before]
            if changed:
                self._write(_pointed(entries, digest, changed))
            return changed

    def untag(self, names: list[str]) -> list[str]:
        """Let ``names`` mean nothing; the images stay. Returns those that meant something."""
        wanted = {checked_name(name) for name in names}
        with self._locked():
            entries = self.descriptors()
            gone = sorted(wanted & {ref_name(entry) for entry in entries})
            if gone:
                self._write(_without(entries, set(gone)))
            return [str(name) for name in gone]

    def drop(self, digests: set[str]) -> None:
        """Take images out of the index, with all their tags; their blobs stay."""
        with self._locked():
            entries = self.descriptors()
            kept = [entry for entry in entries if entry["digest"] not in digests]
            if kept != entries:
                self._write(kept)

    def _write(self, entries: list[dict[str, Any]]) -> None:
        ordered = sorted(entries, key=lambda entry: (ref_name(entry) or "", entry["digest"]))
        for path in (self.index, self._copy):
            write_atomically(path, index_bytes(ordered))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = os.path.join(self.path, "index.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"cannot lock {path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class Blobs(Protocol):
    """Reads a small blob, its digest checked."""

    def read(self, digest: str, /) -> bytes: ...


def load_image(blobs: Blobs, descriptor: Descriptor) -> Image:
    """The image of a manifest's descriptor; StoreError if a blob is missing, corrupt or of another kind."""
    manifest = _load_manifest(blobs, descriptor["digest"])
    digest = manifest["config"]["digest"]
    config = foreign_json(blobs.read(digest), of=f"image configuration {digest}")
    return Image(descriptor, manifest, config_of(config))


def blobs_of_image(blobs: Blobs, digest: str) -> set[str]:
    """The digests of all blobs of the image with this manifest, whether or not the image can be used."""
    return _blobs(digest, _load_manifest(blobs, digest))


def _load_manifest(blobs: Blobs, digest: str) -> Manifest:
    return manifest_of(foreign_json(blobs.read(digest), of=f"blob {digest}"))


def _blobs(digest: str, manifest: Manifest) -> set[str]:
    return {digest, manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}


def _read_index(path: str) -> list[dict[str, Any]] | None:
    """The entries of an index; None if it is missing or damaged."""
    try:
        with open(path, "rb") as source:
            index = json.load(source)
        entries = index["manifests"]
        return [dict(entry) for entry in entries if isinstance(entry["digest"], str)]
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


def ref_name(entry: Mapping[str, Any]) -> str | None:
    """The tag of an index's entry, if it has one."""
    name = (entry.get("annotations") or {}).get(REF_NAME)
    return name if isinstance(name, str) else None


def _untagged(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "annotations"}


def _without(entries: list[dict[str, Any]], names: set[str]) -> list[dict[str, Any]]:
    """The entries without these tags; an image that loses its last tag stays, untagged."""
    kept = [entry for entry in entries if ref_name(entry) not in names]
    present = {entry["digest"] for entry in kept}
    for entry in entries:
        if entry["digest"] not in present:
            kept.append(_untagged(entry))
            present.add(entry["digest"])
    return kept


def _pointed(entries: list[dict[str, Any]], digest: str, names: list[str]) -> list[dict[str, Any]]:
    """The entries with ``names`` moved to the image ``digest``."""
    plain = _untagged(next(entry for entry in entries if entry["digest"] == digest))
    kept = _without(entries, set(names))
    kept = [entry for entry in kept if entry["digest"] != digest or ref_name(entry)]
    return [*kept, *({**plain, "annotations": {REF_NAME: name}} for name in names)]
