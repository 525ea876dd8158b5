"""Commands through an executor: what they are given and come to, and what a hostile peer may make of it."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils import executor_client as client
from ansible_collections.bakery.images.plugins.module_utils import executor_program as program
from ansible_collections.bakery.images.plugins.module_utils import executor_start
from ansible_collections.bakery.images.plugins.module_utils.executor_client import (
    CLEAN_ENVIRONMENT,
    Exchange,
    ExecutorDied,
    Refused,
    TooLate,
    Way,
)

# Starts what it is told to start in the background as `podman exec --detach --preserve-fds=1` does, but here.
ENGINE = """\
#!{python}
import os, subprocess, sys
words = sys.argv[1:]
assert words[0] == "exec"
here = words.index("machine") + 1
settings = [word.removeprefix("--env=") for word in words[:here] if word.startswith("--env=")]
environment = dict(setting.split("=", 1) for setting in settings if "=" in setting)
if "--detach" in words:
    subprocess.Popen(words[here:], pass_fds=[3], env=environment, cwd="/", stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL, start_new_session=True)
else:
    os.chdir("/")
    os.execvpe(words[here], words[here:], environment | {{"BY": "engine"}})
"""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    path = tmp_path / "engine"
    path.write_text(ENGINE.format(python=sys.executable))
    path.chmod(0o755)
    return path


@pytest.fixture
def way(tmp_path: Path, engine: Path) -> Way:
    """No executor is there yet."""
    directory = tmp_path / "machine"
    directory.mkdir()
    return Way(str(directory), str(engine), "machine", {**CLEAN_ENVIRONMENT, "COLOUR": "red"})


@pytest.fixture
def warm_way(way: Way) -> Iterator[Way]:
    """With an executor."""
    executor_start.start_executor(way, sys.executable)
    yield way
    way.retire()


def sh(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def test_both_ends_have_the_same_frames() -> None:
    shared = [name for name in vars(client) if name.isupper() and not name.startswith("_")]
    both = [name for name in shared if hasattr(program, name)]
    assert {"HEAD", "DATA", "END", "EXIT", "REFUSED", "CHUNK", "EXEC", "LOAD", "QUIT"} <= set(both)
    assert [name for name in both if str(getattr(client, name)) != str(getattr(program, name))] == ["FRAME"]
    assert client.FRAME.format == program.FRAME.format


def test_a_command_has_its_environment_directory_and_umask_and_nothing_else(warm_way: Way) -> None:
    outcome = warm_way.run(sh('echo "$COLOUR $HOME ${BY:-executor}"; pwd; umask; ls /proc/self/fd | wc -l'))
    assert outcome == (0, b"red /root executor\n/\n0022\n4\n", b"")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("head -c 300000 /dev/zero; echo no >&2; exit 7", (7, bytes(300_000), b"no\n")),
        ("kill -KILL $$", (128 + signal.SIGKILL, b"", b"")),
        ("cat", (0, b"given", b"")),
    ],
    ids=["status and output", "signal", "input"],
)
def test_what_a_command_comes_to(warm_way: Way, script: str, expected: tuple[int, bytes, bytes]) -> None:
    assert warm_way.run(sh(script), b"given") == expected


def test_input_that_nobody_reads_holds_nothing_up(warm_way: Way) -> None:
    assert warm_way.run(["true"], bytes(5_000_000)).status == 0
    assert len(warm_way.run(["cat"], bytes(5_000_000)).stdout) == 5_000_000


@pytest.mark.parametrize(("word", "status"), [("/no/such/program", 127), ("/etc/passwd", 126)])
def test_a_program_that_cannot_be_run_is_named(warm_way: Way, word: str, status: int) -> None:
    outcome = warm_way.run([word])
    assert (outcome.status, outcome.stdout) == (status, b"")
    assert outcome.stderr.decode().startswith(f"{word}: ")


def test_names_that_are_no_text_go_in_and_come_out(warm_way: Way) -> None:
    assert warm_way.run(["/bin/echo", os.fsdecode(b"\xff\xfe")]).stdout == b"\xff\xfe\n"


def test_a_command_whose_time_is_up_is_ended(warm_way: Way, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(TooLate):
        warm_way.run(sh(f"exec cat > {fifo}; exec sleep 60"), timeout_s=0.1)
    # Opening waits for a writer, and reading for the end of it.
    with pytest.raises(TooLate):
        warm_way.run(sh(f"exec 3> {fifo}; exec sleep 600"), timeout_s=0.1)
    assert warm_way.run(["true"]).status == 0


def test_an_executor_has_another_name_than_its_python(warm_way: Way) -> None:
    assert warm_way.run(sh("cat /proc/$PPID/comm /proc/$$/comm")).stdout.split() == [
        b"bakery-executor",
        b"sh",
    ]


def test_without_an_executor_the_engine_is_asked(way: Way) -> None:
    assert way.run(sh('echo "$COLOUR $BY"')).stdout == b"red engine\n"


def test_after_an_executor_died_the_engine_is_asked(warm_way: Way) -> None:
    with pytest.raises(ExecutorDied):
        warm_way.run(sh('kill -KILL "$PPID" $(cut -d" " -f4 /proc/$PPID/stat)'))
    assert warm_way.run(sh('echo "$BY"')).stdout == b"engine\n"


def test_the_password_of_a_proxy_is_no_argument(way: Way) -> None:
    proxied = way._replace(environment={"https_proxy": "http://me:secret@proxy:1", "A": "b"})
    words = proxied.exec_words()
    assert ("--env=https_proxy" in words, "--env=A=b" in words) == (True, True)
    assert not any("secret" in word for word in words)
    assert proxied.engine_environment()["https_proxy"] == "http://me:secret@proxy:1"


def test_a_python_that_cannot_be_an_executor_is_told_with_its_words(way: Way, tmp_path: Path) -> None:
    broken = tmp_path / "python3"
    broken.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'import socket; socket.socket(fileno=3).accept()'\n"
    )
    broken.chmod(0o755)
    with pytest.raises(client.NoExecutor, match=f"{broken} cannot be an executor"):
        executor_start.start_executor(way, str(broken))
    assert not Path(way.directory, client.SOCKET).exists()


def test_an_engine_that_fails_is_quoted(way: Way, tmp_path: Path) -> None:
    engine = tmp_path / "refuses"
    engine.write_text("#!/bin/sh\necho 'Error: no such container' >&2\nexit 125\n")
    engine.chmod(0o755)
    with pytest.raises(client.NoExecutor, match="cannot be started: no such container"):
        executor_start.start_executor(way._replace(engine=str(engine)), sys.executable)
    with pytest.raises(client.MachineGone, match="launch it again"):
        way._replace(engine=str(engine)).run(["true"])


# ── a hostile peer ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def says() -> Iterator[Callable[..., Exchange]]:
    """An exchange with somebody who reads nothing and says just this."""
    held: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def connect(*parts: bytes, **options: object) -> Exchange:
        ours, theirs = socket.socketpair()
        held.extend([ours, theirs])

        def send() -> None:
            try:
                for part in parts:
                    theirs.sendall(part)
            except OSError:
                pass  # the exchange had enough

        threads.append(threading.Thread(target=send))
        threads[-1].start()
        return Exchange(ours, **options)  # type: ignore[arg-type]

    yield connect
    for end in held:
        end.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()
    for end in held:
        end.close()


def frame(kind: bytes, content: bytes) -> bytes:
    return struct.pack("!cI", kind, len(content)) + content


def status(value: object) -> bytes:
    return frame(b"X", json.dumps({"status": value}).encode())


@pytest.mark.parametrize(
    "answer",
    [
        struct.pack("!cI", b"O", 0xFFFFFFFF),
        struct.pack("!cI", b"X", 1 << 17),
        frame(b"X", b"{" * 60_000),
        frame(b"X", b"[" * 60_000),
        frame(b"X", b"\x80\x04K\x00."),
        frame(b"X", b"[]"),
        frame(b"X", b"{}"),
        frame(b"N", b"null"),
        status(256),
        status(-1),
        status("0"),
        status(value=True),
        status(1.0),
        frame(b"?", b""),
        frame(b"\0", b"\0" * 9),
    ],
)
def test_nonsense_is_an_executor_that_died(says: Callable[..., Exchange], answer: bytes) -> None:
    with pytest.raises(ExecutorDied, match="not to be believed") as raised:
        says(answer).run({"kind": "exec"}, b"")
    assert raised.value.started


def test_output_without_end_is_cut_off(says: Callable[..., Exchange]) -> None:
    chunk = frame(b"O", bytes(4 << 20))
    with pytest.raises(ExecutorDied, match="more than 256 MiB"):
        says(*[chunk] * 70).run({"kind": "exec"}, b"")


def test_reasons_of_a_refusal_are_text(says: Callable[..., Exchange]) -> None:
    with pytest.raises(Refused) as raised:
        says(frame(b"N", b'{"reason": ["a"], "stale": 1}')).run({"kind": "exec"}, b"")
    assert (str(raised.value), raised.value.stale, raised.value.cold) == ("['a']", True, False)


def test_silence_is_waited_for_as_long_as_asked(says: Callable[..., Exchange]) -> None:
    with pytest.raises(TooLate):
        says(timeout_s=0.05).run({"kind": "exec"}, b"")


def test_what_goes_to_a_file_is_not_kept(says: Callable[..., Exchange]) -> None:
    sink = io.BytesIO()
    outcome = says(frame(b"O", b"abc"), frame(b"R", b"why"), status(1), sink=sink).run({"kind": "fetch"}, b"")
    assert (outcome, sink.getvalue()) == ((1, b"", b"why"), b"abc")


# ── the copies in a machine's directory ────────────────────────────────────────────────────────────────────


def test_the_copy_that_serves_many_runs_on_its_own(warm_way: Way) -> None:
    copy = Path(warm_way.directory, "serve.py")
    copy.write_text(Path(client.__file__).read_text())
    words = [sys.executable, "-I", "-S", str(copy.with_name("enter.py")), "--engine", warm_way.engine]
    words += ["--container", warm_way.container, "--env", "COLOUR=blue", "--"]
    script = (
        "import importlib.util, json, sys; s = importlib.util.spec_from_file_location('m', sys.argv[1]); "
        "m = importlib.util.module_from_spec(s); sys.modules['m'] = m; s.loader.exec_module(m); "
        "print(m.CommandServer(json.loads(sys.argv[2])).run([b'/bin/sh', b'-c', b'echo $COLOUR; exit 3']))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, copy, json.dumps(words)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "Outcome(status=3, stdout=b'blue\\n', stderr=b'')\n"


def test_the_copy_for_one_command_becomes_the_engine(way: Way) -> None:
    copy = Path(way.directory, "enter.py")
    copy.write_text(Path(client.__file__).read_text())
    words = [sys.executable, "-I", "-S", copy, "--engine", way.engine, "--container", "machine"]
    done = subprocess.run(
        [*words, "--env", "COLOUR=blue", "--", "/bin/sh", "-c", 'cat; echo "$COLOUR"; exit 7'],
        input=b"in",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (7, b"inblue\n")


@pytest.mark.parametrize(
    "words", [[], ["--", "true"], ["--engine", "e", "--container", "c", "--"], ["--x", "y"]]
)
def test_words_that_lead_nowhere_are_a_sentence(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", client.__file__, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 125
    assert done.stderr.startswith("bakery: ")


def test_a_peer_that_goes_on_talking_has_no_more_time(says: Callable[..., Exchange]) -> None:
    chatter = [frame(b"O", b"x") * 1000] * 200_000
    with pytest.raises(TooLate):
        says(frame(b"S", b""), *chatter, timeout_s=0.1).run({"kind": "exec"}, b"")


def test_nothing_starts_twice(says: Callable[..., Exchange]) -> None:
    with pytest.raises(ExecutorDied, match="not to be believed"):
        says(frame(b"S", b"") * 2).run({"kind": "exec"}, b"")


def test_what_the_engine_passes_on_has_the_same_bounds(way: Way) -> None:
    with pytest.raises(ExecutorDied, match="more than 256 MiB"):
        way.run(sh("exec cat /dev/zero"))
    with pytest.raises(TooLate):
        way.run(sh("while :; do echo; done"), timeout_s=0.2)
    with pytest.raises(TooLate):
        way.run(sh("exec >&- 2>&-; exec sleep 600"), timeout_s=0.2)
