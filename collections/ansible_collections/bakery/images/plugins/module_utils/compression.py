# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressing layer tars: gzip through ISA-L where it is installed, else zlib; zstd through zstandard.

The compressed bytes depend on library and level, never on host, time or number of CPUs; the identity of a
layer is the digest of what is inside.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from importlib import import_module
from typing import IO, Any, Protocol, cast

from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError


def _optional(name: str) -> Any:
    """The module ``name``, or None where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


isal_zlib = _optional("isal.isal_zlib")
zstandard = _optional("zstandard")

GZIP = "gzip"
ZSTD = "zstd"
NONE = "none"
_MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar"
MEDIA_TYPES = {GZIP: f"{_MEDIA_TYPE}+gzip", ZSTD: f"{_MEDIA_TYPE}+zstd", NONE: _MEDIA_TYPE}
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BZIP2_MAGIC = b"BZh"
_XZ_MAGIC = b"\xfd7zXZ\x00"
# xz -9 takes 65 MiB to unpack (xz(1)).
_XZ_MEMORY = 128 << 20
# RFC 1952: deflate, no name, no time, extra flags 0, unknown operating system.
_GZIP_HEADER = _GZIP_MAGIC + b"\x08\x00\x00\x00\x00\x00\x00\xff"
_RAW_DEFLATE = -15
_GZIP_FRAME = 31
_ISAL_LEVEL = 1
_ZLIB_LEVEL = 6
_ZSTD_LEVEL = 1
# With any number of workers from one up zstd writes the same bytes; without workers it writes others.
_ZSTD_WORKERS = 2


class Compressor(Protocol):
    """Takes bytes in and gives compressed bytes out, some of them late."""

    def compress(self, data: bytearray, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        engine = isal_zlib or zlib
        level = _ISAL_LEVEL if isal_zlib else _ZLIB_LEVEL
        self._deflate = engine.compressobj(level, zlib.DEFLATED, _RAW_DEFLATE)
        self._crc32 = engine.crc32
        self._sum = 0
        self._size = 0
        self._start = _GZIP_HEADER

    def compress(self, data: bytearray, /) -> bytes:
        self._sum = self._crc32(data, self._sum)
        self._size += len(data)
        start, self._start = self._start, b""
        return start + cast("bytes", self._deflate.compress(data))

    def flush(self) -> bytes:
        end = cast("bytes", self._deflate.flush())
        return self._start + end + struct.pack("<II", self._sum, self._size & 0xFFFFFFFF)


class _Plain:
    def compress(self, data: bytearray, /) -> bytes:
        return bytes(data)

    def flush(self) -> bytes:
        return b""


def compressor(kind: str) -> Compressor:
    """A fresh compressor of ``kind``; StoreError for an unknown kind or a missing library."""
    if kind == GZIP:
        return _Gzip()
    if kind == NONE:
        return _Plain()
    if kind == ZSTD:
        settings = _zstandard().ZstdCompressor(level=_ZSTD_LEVEL, threads=_ZSTD_WORKERS, write_checksum=True)
        return cast("Compressor", settings.compressobj())
    raise StoreError(f"'{kind}' is not a compression; use gzip or zstd")


class _Inflating:
    """A readable stream of what the compressed ``source`` contains; any number of gzip members."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._engine: Any = isal_zlib or zlib
        self._inflate = self._engine.decompressobj(_GZIP_FRAME)
        self._pending = b""

    def read(self, size: int) -> bytes:
        while True:
            if self._inflate.eof:
                left = self._inflate.unused_data or self._source.read(size)
                if not left:
                    return b""
                self._inflate = self._engine.decompressobj(_GZIP_FRAME)
                self._pending = left
            data = self._pending or self._source.read(size)
            if not data:
                raise StoreError("the compressed layer ends early")
            try:
                inflated = cast("bytes", self._inflate.decompress(data, size))
            except self._engine.error as error:
                raise StoreError(f"the layer is not valid gzip: {error}") from error
            self._pending = b"" if self._inflate.eof else self._inflate.unconsumed_tail
            if inflated:
                return inflated


class _Unzstd:
    def __init__(self, source: IO[bytes]) -> None:
        self._zstd = _zstandard()
        self._reader = self._zstd.ZstdDecompressor().stream_reader(source, read_across_frames=True)

    def read(self, size: int) -> bytes:
        try:
            return cast("bytes", self._reader.read(size))
        except self._zstd.ZstdError as error:
            raise StoreError(f"the layer is not valid zstd: {error}") from error


class Readable(Protocol):
    """A stream of bytes; ``read`` gives at most ``size`` of them, none at the end."""

    def read(self, size: int, /) -> bytes: ...


def decompressed(source: IO[bytes]) -> Readable:
    """What the seekable ``source`` contains, whether gzip, zstd or plain; told by its first bytes."""
    magic = source.read(4)
    source.seek(0)
    if magic.startswith(_GZIP_MAGIC):
        return _Inflating(source)
    if magic == _ZSTD_MAGIC:
        return _Unzstd(source)
    return source


class _Unpacked:
    """A readable stream of what a bzip2 or xz file contains: whole archives, never layers, come so."""

    def __init__(self, source: IO[bytes], engine: Any) -> None:
        self._source = source
        self._engine = engine

    def read(self, size: int) -> bytes:
        while not self._engine.eof:
            data = self._source.read(size) if self._engine.needs_input else b""
            if self._engine.needs_input and not data:
                raise StoreError("the compressed archive ends early")
            try:
                unpacked = cast("bytes", self._engine.decompress(data, size))
            except (OSError, lzma.LZMAError) as error:
                raise StoreError(f"the compressed archive is damaged: {error}") from error
            if unpacked:
                return unpacked
        return b""


def archive_content(source: IO[bytes]) -> Readable:
    """What the seekable ``source`` contains, as ``decompressed``; it may be bzip2 or xz too."""
    magic = source.read(len(_XZ_MAGIC))
    source.seek(0)
    if magic.startswith(_BZIP2_MAGIC):
        return _Unpacked(source, bz2.BZ2Decompressor())
    if magic == _XZ_MAGIC:
        return _Unpacked(source, lzma.LZMADecompressor(memlimit=_XZ_MEMORY))
    return decompressed(source)


def _zstandard() -> Any:
    if zstandard is None:
        raise StoreError("zstd needs the Python library zstandard; install it or choose gzip")
    return zstandard
