# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of one image: ``oci-archive`` (a tarred layout) and ``docker-archive`` (of ``docker save``)."""

from __future__ import annotations

import filecmp
import hashlib
import os
import secrets
from typing import IO, Any

from ansible_collections.bakery.images.plugins.module_utils import tar_header
from ansible_collections.bakery.images.plugins.module_utils.blob_store import BlobStore
from ansible_collections.bakery.images.plugins.module_utils.compression import Readable, decompressed
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    StoreError,
    canonical_json,
    fsync_directory,
)
from ansible_collections.bakery.images.plugins.module_utils.oci_layout import (
    LAYOUT_FILE,
    REF_NAME,
    Image,
    OciLayout,
    index_bytes,
)
from ansible_collections.bakery.images.plugins.module_utils.tar_header import Member
from ansible_collections.bakery.images.plugins.module_utils.unfinished import PARTIAL

OCI_ARCHIVE = "oci-archive"
DOCKER_ARCHIVE = "docker-archive"
_READ = 1 << 20
_FILE_MODE = 0o644
_TAR_MODE_DIRECTORY = 0o755


def export(layout: OciLayout, image: Image, *, path: str, kind: str, name: str) -> tuple[int, bool]:
    """Write the image to the file ``path`` as an archive of ``kind``.

    Returns its size in bytes and whether the file was not there or differed.

    ``name`` (NAME:TAG) is the name inside. The file appears complete or not at all; same image, same bytes.
    """
    writers = {OCI_ARCHIVE: _write_oci, DOCKER_ARCHIVE: _write_docker}
    if kind not in writers:
        raise StoreError(f"'{kind}' is not an archive format; use {OCI_ARCHIVE} or {DOCKER_ARCHIVE}")
    partial = f"{path}.{secrets.token_hex(4)}{PARTIAL}"
    try:
        with open(partial, "xb") as out:
            writers[kind](_Archive(out), layout.blobs, image=image, name=name)
            out.write(tar_header.END_OF_ARCHIVE)
            out.flush()
            os.fsync(out.fileno())
            size = out.tell()
        changed = not os.path.isfile(path) or not filecmp.cmp(partial, path, shallow=False)
        if changed:
            os.rename(partial, path)
            fsync_directory(os.path.dirname(os.path.abspath(path)))
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
    finally:
        if os.path.lexists(partial):
            os.unlink(partial)
    return size, changed


class _Archive:
    """Appends members to a tar file; owner root, time 0."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def directory(self, name: str) -> None:
        member = Member(name.encode(), tar_header.DIRECTORY, _TAR_MODE_DIRECTORY)
        self._out.write(tar_header.header(member))

    def content(self, name: str, content: bytes) -> None:
        self._out.write(tar_header.header(Member(name.encode(), mode=_FILE_MODE, size=len(content))))
        self._out.write(content + tar_header.padding(len(content)))

    def blob(self, name: str, source: IO[bytes], size: int) -> None:
        """A member of known ``size``."""
        self._out.write(tar_header.header(Member(name.encode(), mode=_FILE_MODE, size=size)))
        if self._copy(source) != size:
            raise StoreError(f"{name} changed while it was being exported")

    def stream(self, name: str, source: Readable) -> None:
        """A member whose size is known only at its end: its header is then written in its place."""
        start = self._out.tell()
        self._out.write(bytes(tar_header.BLOCK))
        size = self._copy(source)
        head = tar_header.header(Member(name.encode(), mode=_FILE_MODE, size=size))
        if len(head) != tar_header.BLOCK:
            raise StoreError(f"a layer of {size} bytes is too large for a docker-archive; use {OCI_ARCHIVE}")
        self._out.seek(start)
        self._out.write(head)
        self._out.seek(0, os.SEEK_END)

    def _copy(self, source: Readable) -> int:
        size = 0
        while chunk := source.read(_READ):
            self._out.write(chunk)
            size += len(chunk)
        self._out.write(tar_header.padding(size))
        return size


def _write_oci(archive: _Archive, blobs: BlobStore, *, image: Image, name: str) -> None:
    archive.content("oci-layout", LAYOUT_FILE)
    archive.content("index.json", index_bytes([{**image.descriptor, "annotations": {REF_NAME: name}}]))
    archive.directory("blobs/")
    archive.directory("blobs/sha256/")
    for digest in sorted(image.blobs):
        blobs.check(digest, of=f"image {name}")
        with blobs.open(digest) as source:
            archive.blob(f"blobs/sha256/{digest.removeprefix('sha256:')}", source, blobs.size(digest))


def _write_docker(archive: _Archive, blobs: BlobStore, *, image: Image, name: str) -> None:
    """Docker's image specification 1.2: ``manifest.json``, the config, each layer as a plain tar once."""
    config = blobs.read(image.config_digest)
    config_name = f"{image.config_digest.removeprefix('sha256:')}.json"
    diff_ids = image.config["rootfs"]["diff_ids"]
    files = [f"{diff_id.removeprefix('sha256:')}.tar" for diff_id in diff_ids]
    written: set[str] = set()
    for file, layer in zip(files, image.manifest["layers"], strict=True):
        if file not in written:
            written.add(file)
            blobs.check(layer["digest"], of=f"image {name}")
            with blobs.open(layer["digest"]) as source:
                checked = _Hashed(decompressed(source))
                archive.stream(file, checked)
            if f"{checked.hexdigest()}.tar" != file:
                raise StoreError(f"blob {layer['digest']} of image {name} is corrupt; bake the image again")
    archive.content(config_name, config)
    entry: dict[str, Any] = {"Config": config_name, "RepoTags": [f"localhost/{name}"], "Layers": files}
    archive.content("manifest.json", canonical_json([entry]))


class _Hashed:
    """Passes a stream on and knows the digest of what went by."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._sum = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        self._sum.update(chunk)
        return chunk

    def hexdigest(self) -> str:
        return self._sum.hexdigest()
