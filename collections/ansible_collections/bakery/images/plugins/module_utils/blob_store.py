# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Content-addressed files: ``blobs/sha256/<hex>`` of an OCI image layout (image-spec 1.1)."""

from __future__ import annotations

import hashlib
import os
from types import TracebackType
from typing import IO, Self

from ansible_collections.bakery.images.plugins.module_utils.foreign_json import MOST_BYTES, quoted
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    StoreError,
    fsync_directory,
)
from ansible_collections.bakery.images.plugins.module_utils.oci_documents import DIGEST
from ansible_collections.bakery.images.plugins.module_utils.unfinished import PARTIAL, unfinished_name

_READ = 1 << 20


class BlobStore:
    """The blobs below ``layout`` (a directory with ``blobs/sha256``)."""

    def __init__(self, layout: str) -> None:
        self.directory = os.path.join(layout, "blobs", "sha256")

    def ensure(self) -> None:
        """Create the directory."""
        try:
            os.makedirs(self.directory, mode=0o755, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot create {self.directory}: {error.strerror}") from error

    def path(self, digest: str) -> str:
        """Where the blob is or would be; refuses all but sha256 digests."""
        if not DIGEST.match(digest):
            raise StoreError(f"{quoted(digest)} is not a sha256 digest")
        return os.path.join(self.directory, digest.removeprefix("sha256:"))

    def open(self, digest: str) -> IO[bytes]:
        """The blob for reading; StoreError if it is not there."""
        try:
            return open(self.path(digest), "rb")
        except OSError as error:
            raise StoreError(f"blob {digest} cannot be read: {error.strerror}") from error

    def read(self, digest: str) -> bytes:
        """A small blob (a manifest, a config), its digest checked; one that is corrupt is removed."""
        with self.open(digest) as source:
            content = source.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise StoreError(
                f"blob {digest} is larger than {MOST_BYTES} bytes; it is not a manifest or config"
            )
        if sha256(content) != digest:
            self.remove(digest)
            raise StoreError(f"blob {digest} was corrupt and is removed; bake the image again")
        return content

    def is_intact(self, digest: str) -> bool:
        """Whether the blob is there and has its digest; reads it."""
        try:
            with open(self.path(digest), "rb") as source:
                return "sha256:" + hashlib.file_digest(source, "sha256").hexdigest() == digest
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"blob {digest} cannot be read: {error.strerror}") from error

    def check(self, digest: str, *, of: str) -> None:
        """StoreError unless the blob, which is a part ``of`` something, is intact.

        One that is not what its name says helps nobody and is removed: the next bake writes it again.
        """
        if not self.is_intact(digest):
            self.remove(digest)
            raise StoreError(f"blob {digest} of {of} is gone or corrupt; bake it again")

    def digests(self) -> list[str]:
        """The digests of all blobs, sorted."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        return sorted(f"sha256:{name}" for name in names if DIGEST.match(f"sha256:{name}"))

    def stale(self) -> list[str]:
        """Absolute paths of ``.partial`` leftovers, of dead writers and of live ones."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        return sorted(os.path.join(self.directory, name) for name in names if name.endswith(PARTIAL))

    def put(self, content: bytes) -> str:
        """Store ``content``; returns its digest."""
        with BlobWriter(self) as writer:
            writer.write(content)
            return writer.commit()

    def size(self, digest: str) -> int:
        """The blob's size in bytes, 0 if it is not there."""
        try:
            return os.stat(self.path(digest)).st_size
        except FileNotFoundError:
            return 0

    def remove(self, digest: str) -> None:
        """Remove the blob if it is there."""
        try:
            os.unlink(self.path(digest))
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"cannot remove blob {digest}: {error.strerror}") from error


class BlobWriter:
    """Writes one blob into a ``.partial`` file; ``commit`` names it, leaving without that deletes it."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._sum = hashlib.sha256()
        self._partial = os.path.join(blobs.directory, unfinished_name())
        self.size = 0
        try:
            self._file = open(self._partial, "xb", buffering=0)  # noqa: SIM115  (closed by __exit__)
        except OSError as error:
            raise StoreError(f"cannot write {self._partial}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        try:
            os.unlink(self._partial)
        except FileNotFoundError:
            return

    def write(self, content: bytes | bytearray) -> None:
        """Append; StoreError when the disk is full or read-only."""
        self._sum.update(content)
        self.size += len(content)
        view = memoryview(content)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise StoreError(f"cannot write a blob to {self._blobs.directory}: {error.strerror}") from error

    def digest(self) -> str:
        """The digest of what was written so far."""
        return "sha256:" + self._sum.hexdigest()

    def written(self) -> IO[bytes]:
        """What was written so far, for reading."""
        try:
            return open(self._partial, "rb")
        except OSError as error:
            raise StoreError(f"cannot read {self._partial}: {error.strerror}") from error

    def commit(self) -> str:
        """Make the blob durable under its digest; returns that."""
        digest = self.digest()
        try:
            os.fchmod(self._file.fileno(), 0o644)
            os.fsync(self._file.fileno())
            os.rename(self._partial, self._blobs.path(digest))
            fsync_directory(self._blobs.directory)
        except OSError as error:
            raise StoreError(f"cannot store blob {digest}: {error.strerror}") from error
        return digest


def sha256(content: bytes) -> str:
    """The digest of ``content`` as OCI writes it."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
