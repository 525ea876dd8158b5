from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils import command_server, namespaces
from ansible_collections.bakery.images.plugins.module_utils.pytest_machine import (
    command_server as open_server,
)

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Machine:
    """A process with namespaces of its own, whoever waits for it, and the words that lead there."""

    pid: int
    parent: subprocess.Popen[bytes]
    words: list[str]

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.parent.wait()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setenv("TERM", "xterm")
    (tmp_path / "enter.py").write_text(inspect.getsource(namespaces))
    (tmp_path / "serve.py").write_text(inspect.getsource(command_server))
    command = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", "echo; exec sleep 600 >/dev/null"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"\n"
        pid = int(Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text())
        words = [sys.executable, "-I", "-S", str(tmp_path / "enter.py"), "--pid", str(pid)]
        start = str(namespaces._start_time(pid))
        inside = Machine(pid, parent, [*words, "--start", start, "--env", "COLOUR=red", "--"])
        yield inside
        if parent.poll() is None:
            inside.end()


@pytest.fixture
def server(machine: Machine) -> Iterator[command_server.CommandServer]:
    server = open_server(machine.words)
    yield server
    server.close()


def sh(text: str) -> list[bytes]:
    return [b"/bin/sh", b"-c", text.encode()]


def test_commands_run_in_the_namespaces_with_the_environment_of_the_words(
    machine: Machine, server: command_server.CommandServer
) -> None:
    theirs = str(Path(f"/proc/{machine.pid}/ns/mnt").readlink())
    script = 'readlink /proc/$$/ns/mnt; echo "$COLOUR $TERM $HOME"; pwd; umask'
    status, output, errors = server.run(sh(f"mount -t proc proc /proc; {script}"))
    assert (status, errors) == (0, b"")
    assert output.decode().splitlines() == [theirs, "red xterm /root", "/", "0022"]


def test_the_server_is_no_process_of_the_machine(server: command_server.CommandServer) -> None:
    _status, output, _errors = server.run(sh("mount -t proc proc /proc; exec cat /proc/[0-9]*/comm"))
    assert sorted(output.decode().split()) == ["cat", "sleep"]


def test_status_output_and_errors_are_the_commands_own(server: command_server.CommandServer) -> None:
    assert server.run(sh("head -c 300000 /dev/zero; echo no >&2; exit 7")) == (7, bytes(300_000), b"no\n")
    assert server.run(sh("kill -KILL $$")) == (-signal.SIGKILL, b"", b"")
    assert server.run([b"/no/such/program"]) == (127, b"", b"No such file or directory\n")
    assert server.run([b"/bin/echo", b"\xff\xfe"]) == (0, b"\xff\xfe\n", b"")


def test_nothing_is_read_from_whoever_asks(server: command_server.CommandServer) -> None:
    assert server.run(sh("cat; echo end")) == (0, b"end\n", b"")


def test_a_fork_that_goes_on_has_a_server_of_its_own(server: command_server.CommandServer) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, server.run(sh("echo child"))[1])
        os._exit(0)
    os.close(writer)
    assert (server.run(sh("echo parent"))[1], os.read(reader, 100)) == (b"parent\n", b"child\n")
    os.close(reader)
    os.waitpid(child, 0)


def test_the_server_ends_with_its_client(machine: Machine) -> None:
    server = open_server(machine.words)
    process = server._process
    server._stream.close()
    assert process.wait(60) == 0


def test_a_machine_that_is_gone_is_a_sentence(machine: Machine, server: command_server.CommandServer) -> None:
    machine.end()
    status, output, errors = server.run(sh("echo"))
    assert (status, output) == (126, b"")
    assert errors
    with pytest.raises(Exception, match=r"process \d+ is gone"):
        open_server(machine.words)


def test_a_server_that_is_gone_is_a_sentence(server: command_server.CommandServer) -> None:
    server._process.kill()
    server._process.wait()
    with pytest.raises(Exception, match="the machine is gone; launch it again"):
        server.run(sh("echo"))
