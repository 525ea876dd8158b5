"""An executor that hangs up before it began: the ordinary path gets all of what it is to carry out."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from ansible_collections.bakery.images.plugins.module_utils.executor_client import SOCKET, Outcome
from ansible_collections.bakery.images.plugins.plugin_utils.warm_executor import WarmExecutor

CONTENT = bytes(range(256)) * 4096


class Ordinary:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.written: dict[str, bytes] = {}

    def run(self, command: object, *, stdin: object = None) -> Outcome:
        return Outcome(0, b"ordinary", b"")

    def put(self, source: IO[bytes], path: str) -> Outcome:
        self.written[path] = source.read()
        return Outcome(0, b"", b"")

    def fetch(self, path: str, sink: IO[bytes]) -> Outcome:
        sink.write(CONTENT)
        return Outcome(0, b"", b"")

    def close(self) -> None:
        """Nothing is held."""


class Started:
    """A Starter whose executor is there already, in ``directory``."""

    inherits_environment = False
    forwards = False
    carries_all = False

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory)
        self.environment: dict[str, str] = {}

    def start(self, interpreter: str) -> None:
        raise AssertionError("it is there already")

    def reconnect(self) -> bool:
        return False

    def forget(self) -> None:
        """It left nothing."""


@pytest.fixture
def hangs_up(tmp_path: Path) -> Iterator[Started]:
    """Takes some of one request and closes the connection."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / SOCKET))
    listener.listen()

    def serve() -> None:
        connection, _address = listener.accept()
        with connection:
            left = len(CONTENT) // 2
            while left > 0:
                left -= len(connection.recv(left))

    server = threading.Thread(target=serve)
    server.start()
    yield Started(tmp_path)
    server.join()
    listener.close()


def test_file_that_was_sent_in_part_is_written_whole(hangs_up: Started) -> None:
    ordinary = Ordinary()
    executor = WarmExecutor(ordinary, hangs_up, warn=lambda _: None, note=lambda _: None)
    executor.put(io.BytesIO(CONTENT), "/srv/file")
    assert ordinary.written == {"/srv/file": CONTENT}
