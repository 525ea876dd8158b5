"""The plaintexts of a run, in memory that its processes share."""

from __future__ import annotations

import os
import struct

_LENGTH = struct.Struct("=I")


class Ledger:
    """The plaintexts of a run, shared by the controller and the workers it forks, in memory that has no name.

    A worker adds a plaintext before anybody can use it, so whoever sees a result of the worker can also see
    the plaintext.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("bakery-ledger")  # closed on exec: modules do not inherit it
        self._read = 0
        self._known: set[bytes] = set()

    def add(self, plaintext: bytes) -> None:
        """Note a plaintext; from any process."""
        if plaintext not in self._known:
            self._known.add(plaintext)
            # One write on the open file that all processes share: it moves the position that all of them use.
            os.write(self._file, _LENGTH.pack(len(plaintext)) + plaintext)

    def all(self) -> tuple[bytes, ...]:
        """Everything that was added, by any process, in order."""
        size = os.fstat(self._file).st_size
        return tuple(dict.fromkeys(_records(os.pread(self._file, size, 0))[0]))

    def news(self) -> tuple[bytes, ...]:
        """What was added, by any process, since the last call."""
        size = os.fstat(self._file).st_size
        data = b""
        while len(data) < size - self._read:
            data += os.pread(self._file, size - self._read - len(data), self._read + len(data))
        fresh, used = _records(data)
        self._read += used
        self._known.update(fresh)
        return fresh


def _records(data: bytes) -> tuple[tuple[bytes, ...], int]:
    """The whole records at the start of ``data`` and their length; another process may be writing the next
    one.
    """
    records = []
    start = 0
    while start + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, start)
        end = start + _LENGTH.size + length
        if end > len(data):
            break
        records.append(data[start + _LENGTH.size : end])
        start = end
    return tuple(records), start
