# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image layout of somebody else's: read and never changed, and only its regular files.

A link could lead out of the layout, and a fifo or a device would make the reader wait: neither is opened.
Format: image-spec 1.1, image-layout.md.
"""

from __future__ import annotations

import os
import stat
from typing import IO

from ansible_collections.bakery.images.plugins.module_utils.beneath import open_regular, status_beneath
from ansible_collections.bakery.images.plugins.module_utils.blob_store import BlobWriter, sha256
from ansible_collections.bakery.images.plugins.module_utils.foreign_json import MOST_BYTES, foreign_json
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError
from ansible_collections.bakery.images.plugins.module_utils.oci_documents import (
    Descriptor,
    index_of,
)
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import opened

_READ = 1 << 20


class ForeignLayout:
    """The image layout in the directory ``path``, which is called ``name`` in messages. Raises StoreError."""

    def __init__(self, path: str, name: str) -> None:
        # The user may name a link to the layout; in it none is followed.
        self.path = os.path.realpath(path)
        self.name = name

    def index(self) -> list[Descriptor]:
        """The entries of the layout's index."""
        if not os.path.lexists(os.path.join(self.path, "index.json")):
            raise StoreError(f"{self.path} is not an OCI image layout: it has no index.json")
        return index_of(foreign_json(self._read("index.json"), of=f"the index of {self.name}"))

    def nested(self, descriptor: Descriptor) -> list[Descriptor]:
        """The entries of an index that is itself a blob."""
        digest = descriptor["digest"]
        return index_of(foreign_json(self.read(digest), of=f"the index {digest} of {self.name}"))

    def read(self, digest: str, /) -> bytes:
        """A small blob (a manifest, a config), its digest checked."""
        content = self._read(_place(digest))
        if sha256(content) != digest:
            raise self._damaged(digest, f"has the digest {sha256(content)}")
        return content

    def copy(self, descriptor: Descriptor, writer: BlobWriter) -> None:
        """Write the blob of a descriptor to ``writer``, its size and digest checked."""
        digest, size = descriptor["digest"], descriptor["size"]
        with self._open(_place(digest)) as blob:
            found = os.fstat(blob.fileno()).st_size
            if found != size:
                raise self._damaged(digest, f"has {found} bytes instead of {size}")
            # Not more than that, should it grow meanwhile.
            while size > 0 and (chunk := blob.read(min(size, _READ))):
                writer.write(chunk)
                size -= len(chunk)
        if writer.digest() != digest:
            raise self._damaged(
                digest, f"is corrupt at its source, where it has the digest {writer.digest()}"
            )

    def _damaged(self, digest: str, how: str) -> StoreError:
        return StoreError(f"{self.name} is damaged: its blob {digest} {how}; get the image anew")

    def _read(self, path: str) -> bytes:
        with self._open(path) as source:
            content = source.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise StoreError(
                f"{path} of {self.name} has more than {MOST_BYTES} bytes, which no document of an image has"
            )
        return content

    def _open(self, path: str) -> IO[bytes]:
        place = os.fsencode(path)
        try:
            with opened(self.path) as root:
                status = status_beneath(root, place)
                descriptor = open_regular(root, place)
        except OSError as error:
            raise StoreError(f"{path} of {self.name} cannot be read: {error.strerror}") from error
        if descriptor is None:
            problem = "is missing, or behind a symbolic link"
            if status is not None:
                link = stat.S_ISLNK(status.st_mode)
                problem = "is a symbolic link" if link else "is not a regular file"
            raise StoreError(
                f"{path} of {self.name} {problem}; a layout is read without following links: "
                "copy it with 'cp -rL' if it is made of them"
            )
        return os.fdopen(descriptor, "rb")


def _place(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"
