# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The executor: a program that waits in a machine and runs there what it is asked for.

It forks for every request. The child runs a command, or moves a file, or runs the unmodified AnsiballZ
payload of a module as a Python reading it from its standard input would; what a child changes ends with it.

Most of what a module costs on its target is a Python that starts and imports ``ansible.module_utils`` anew.
A request LOAD brings these, and from then on they are imported when a payload comes.

The program comes through a pipe or a socket and stays in memory: nothing of it is a file in the machine. It
must run on every Python that Ansible supports on targets (3.8 and later), alone, with the standard library
only. Whoever asks has the frames in ``executor_client.py``.

What this process read when it started may change under it: the interpreter, what is installed beside it, a
configuration of its libraries. It looks before each payload, and a request that finds a change is told so,
is not run, and is the last one: the next one starts a fresh executor.

Frames, both ways: one byte of kind, four bytes of length (network order), the content. A client sends HEAD
(JSON), DATA, END; the answer is STARTED, STDOUT and STDERR, EXIT (JSON), or REFUSED (JSON) instead of all of
them. A client that hangs up ends what it asked for.
"""

from __future__ import annotations

import array
import atexit
import base64
import contextlib
import gc
import hashlib
import importlib
import importlib.util
import io
import json
import os
import pkgutil
import platform
import re
import select
import shutil  # noqa: F401  # pylint: disable=unused-import  # payloads import it: it is kept warm
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
import typing as t
import zipfile
import zipimport
import zlib

HEAD, DATA, END = b"H", b"I", b"E"
STARTED, STDOUT, STDERR, EXIT, REFUSED = b"S", b"O", b"R", b"X", b"N"
FRAME = struct.Struct("!cI")
CHUNK = 1 << 18

PYTHON, SHELL, EXEC, PUT, FETCH, LOAD, QUIT = "python", "shell", "exec", "put", "fetch", "load", "quit"

# What a process of Python, or a library in it, reads when it starts: set for one task, it needs a process of
# its own. The names' beginnings.
STARTUP_VARIABLES = ("PYTHON", "LANG", "LC_", "LD_", "LOCPATH", "GCONV_PATH", "GLIBC_", "MALLOC_", "OPENSSL_")
# The same as files; the files of imported modules and the directories that they come from are added.
STARTUP_FILES = ("/etc/ld.so.cache", "/etc/ssl/openssl.cnf", "/etc/nsswitch.conf", "/etc/host.conf")

# What every module imports, its wrapper included. Not every ansible-core has all of it.
_PRELOADED = (
    r"ansible/module_utils/(basic|_internal/_ansiballz/_loader|_internal/_json/_profiles/_module_\w+)\.py"
)
_GENERATED = ("ansible/__init__.py", "ansible/module_utils/__init__.py")
_BASE64 = rb"[A-Za-z0-9+/]{512,}={0,2}"
_NAME = "bakery-executor"  # at most 15 characters (prctl(2), PR_SET_NAME)
# What a handler tells the server.
_END, _PAYLOAD, _BUNDLE = b"E", b"P", b"B"
_UNKNOWN = "its module_utils are not those of this executor"
_CHANGED = "what it started with has changed"


def main(source: t.BinaryIO) -> None:
    """Read the boot record from the binary stream ``source``, listen, and serve in the background.

    The record is a JSON line ``{interpreter, idle_s}``. A socket is made in a directory of this user's own
    and its path is written to standard output.
    """
    boot = json.loads(source.readline())
    directory, listener = _listen_in_private()
    if os.fork():
        os._exit(0)
    os.setsid()
    _let_go_of_streams()
    Server(listener, boot, directory=directory).serve()


def main_inherited(listener: socket.socket, connection: socket.socket, source: t.BinaryIO) -> None:
    """As ``main``, with a listening socket that was inherited and has no name here.

    The record comes over the first ``connection`` to it, and is answered there like a request.
    """
    boot = json.loads(source.readline())
    _let_go_of_streams()
    server = Server(listener, boot, directory=None)
    source.close()
    send_json(connection, EXIT, status=0)
    connection.close()
    server.serve()


def _let_go_of_streams() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _listen_in_private() -> tuple[str, socket.socket]:
    """A socket that only this user reaches, below /run where that is possible: gone with the machine."""
    parent = next((path for path in ("/run", os.environ.get("XDG_RUNTIME_DIR")) if _is_writable(path)), None)
    directory = tempfile.mkdtemp(prefix="bakery-executor-", dir=parent)
    tempfile.tempdir = None  # what mkdtemp found may be another directory for the next task
    listener = socket.socket(socket.AF_UNIX)
    path = os.path.join(directory, "socket")
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(64)
    sys.stdout.write(path + "\n")
    sys.stdout.flush()
    return directory, listener


def _is_writable(path: str | None) -> bool:
    return path is not None and os.access(path, os.W_OK | os.X_OK)


# ── what is kept warm ──────────────────────────────────────────────────────────────────────────────────────


class Bundle:
    """The controller's ``ansible.module_utils``, importable from memory and comparable with a payload's."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def preload(self) -> None:
        """Import what every module imports."""
        sys.meta_path.insert(0, BundleFinder(self.files))
        for path in sorted(filter(re.compile(_PRELOADED).fullmatch, self.files)):
            importlib.import_module(path[:-3].replace("/", "."))
        for name in ("ansible", "ansible.module_utils"):
            sys.modules[name].__path__ = PayloadPath(name)

    def payload(self, source: bytes) -> bytes | None:
        """The zip of a payload as base64, or None if there is not exactly one."""
        found = re.findall(_BASE64, source)
        return found[0] if len(found) == 1 else None

    def approve(self, encoded: bytes) -> dict[str, bytes] | None:
        """The payload's own modules ``{path: text}`` if everything else in it is what is imported here; else
        None.
        """
        own = {}
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(encoded))) as payload:
            for name in payload.namelist():
                text = payload.read(name)
                if name in _GENERATED or name.startswith("ansible/module_utils/"):
                    if self.files.get(name) != text:
                        return None
                else:
                    own[name] = text
        return own


class BundleFinder:
    """Imports the modules of a bundle (a meta path finder and loader)."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def find_spec(self, name: str, *_protocol: t.Any) -> t.Any:
        if name != "ansible" and not name.startswith("ansible.module_utils"):
            return None
        for tail, package in (("/__init__.py", True), (".py", False)):
            file = name.replace(".", "/") + tail
            if file in self._files:
                spec = importlib.util.spec_from_loader(name, self, origin=file, is_package=package)
                spec.has_location = True
                return spec
        return None

    def create_module(self, _spec: t.Any) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102  # what a loader is for

    def get_code(self, name: str) -> types.CodeType:
        file = self.get_filename(name)
        return compile(self._files[file], file, "exec", dont_inherit=True)

    def get_source(self, name: str) -> str:
        return self._files[self.get_filename(name)].decode("utf-8", "replace")

    def get_filename(self, name: str) -> str:
        spec = self.find_spec(name)
        if spec is None:
            raise ImportError(name)
        return spec.origin

    def is_package(self, name: str) -> bool:
        return self.get_filename(name).endswith("/__init__.py")


class PayloadPath:
    """``__path__`` of a package that is partly here and partly in the payload that runs.

    A payload puts itself in front of ``sys.path``, and its package extends its path over that when it is
    imported. Ours was imported before the payload came, so it looks when it is asked.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        # The directories of sys.path that have such a package too; they are watched (see Surroundings).
        self._others = pkgutil.extend_path([], name)
        self._known: tuple[str | None, list[str]] = (None, [])

    def _paths(self) -> list[str]:
        first = sys.path[0] if sys.path else ""
        if self._known[0] != first:
            own = [os.path.join(first, *self._name.split("."))] if os.path.isfile(first) else []
            self._known = (first, own + self._others)
        return self._known[1]

    def __iter__(self) -> t.Iterator[str]:
        return iter(self._paths())

    def __len__(self) -> int:
        return len(self._paths())

    def __getitem__(self, index: int) -> str:
        return self._paths()[index]

    def __contains__(self, path: object) -> bool:
        return path in self._paths()

    def append(self, path: str) -> None:
        self._paths().append(path)

    def __repr__(self) -> str:
        return f"PayloadPath({self._paths()!r})"


class CompiledZip(zipimport.zipimporter):
    """Imports from a payload's zip without compiling again what an earlier one of the same content had."""

    codes: t.ClassVar[dict[str, types.CodeType]] = {}

    def get_code(self, fullname: str) -> types.CodeType:
        code = self.codes.get(fullname)
        return super().get_code(fullname) if code is None else code


def compile_modules(files: dict[str, t.Any]) -> dict[str, types.CodeType]:
    """Code of a payload's own modules by their dotted names; what does not compile is left out."""
    codes = {}
    for path, text in files.items():
        if path.endswith(".py") and text:
            name = path[: -len("/__init__.py")] if path.endswith("/__init__.py") else path[:-3]
            with contextlib.suppress(SyntaxError, ValueError):
                codes[name.replace("/", ".")] = compile(text, path, "exec", dont_inherit=True)
    return codes


class Surroundings:
    """What this process read when it started, to be compared with what is there now."""

    def __init__(self) -> None:
        paths = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
        paths |= {path for path in sys.path if path}
        paths |= {sys.executable, os.path.realpath(sys.executable), *STARTUP_FILES}
        self._paths = sorted(path for path in paths if path and os.path.isabs(path))
        self._seen = self._look()

    def changed(self) -> bool:
        """Whether a process that starts now could find something else."""
        return self._look() != self._seen

    def _look(self) -> list[t.Any]:
        return [_stamp(path) for path in self._paths]


def _stamp(path: str) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def shell_additions(environment: dict[str, str]) -> dict[str, str]:
    """What the shell around a module adds to its environment: ``PWD`` at least, more if it is bash."""
    command = ["/bin/sh", "-c", "/bin/sh -c 'env -0 && sleep 0'"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, check=False
        )
    except OSError:
        return {}
    added = {}
    for setting in done.stdout.split(b"\0"):
        name, equals, value = setting.decode("utf-8", "surrogateescape").partition("=")
        if equals and environment.get(name) != value:
            added[name] = sys.executable if name == "_" else value
    return added


# ── serving ────────────────────────────────────────────────────────────────────────────────────────────────


class Server:
    """Accepts requests and forks a handler for each; does nothing else that could fail or block for long."""

    def __init__(self, listener: socket.socket, boot: dict[str, t.Any], *, directory: str | None) -> None:
        self.listener = listener
        self.bundle: Bundle | None = None
        self.interpreter = boot["interpreter"]
        self.environment = _given_environment()
        # What a Python that starts sets itself, for a locale of its own (PEP 538).
        self.coerced = {name: os.environ[name] for name in os.environ if name not in self.environment}
        self.cwd = os.getcwd()
        self.name = _name_this_process(_NAME)
        # Payloads whose content was compared, by the digest of their zip: code of their own modules.
        self.approved: dict[bytes, dict[str, types.CodeType]] = {}
        self.surroundings = Surroundings()
        self._digest = b""
        self._directory = directory
        self._idle_s = boot["idle_s"]
        self._reader, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def serve(self) -> None:
        """Serve until the machine ends, somebody says so, or nobody came for ``idle_s`` seconds."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the handlers
        if self._directory:
            signal.signal(signal.SIGTERM, lambda *_: self.report(_END))
        self._freeze()
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        poll.register(self._reader, select.POLLIN)
        going = True
        try:
            while going:
                events = poll.poll(self._idle_s * 1000 if self._idle_s else None)
                ready = [descriptor for descriptor, _event in events]
                if self.listener.fileno() in ready:
                    self._accept()
                going = bool(events)
                if self._reader.fileno() in ready:
                    going = self._learn()
        finally:
            self.listener.close()
            self.vanish()

    def vanish(self) -> None:
        """Remove what was made in the machine."""
        if self._directory:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self._directory, "socket"))
                os.rmdir(self._directory)

    def report(self, message: bytes, *descriptors: int) -> None:
        """From a handler: ``_END``; ``_PAYLOAD``, digest and own modules of a payload that was compared; or
        ``_BUNDLE`` with the descriptors of a connection and of the bundle that came over it.
        """
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        self._writer.sendmsg([message], rights if descriptors else [])

    def _accept(self) -> None:
        connection, _address = self.listener.accept()
        try:
            if os.fork() == 0:
                code = 1
                try:
                    self.listener.close()
                    self._reader.close()
                    for number in (signal.SIGCHLD, signal.SIGTERM):
                        signal.signal(number, signal.SIG_DFL)
                    Handler(self, connection).handle()
                    code = 0
                except (BrokenPipeError, ConnectionResetError):
                    code = 0  # the client hung up
                except BaseException:  # noqa: BLE001  # the end of a process: nobody is left to raise to
                    traceback.print_exc()
                finally:
                    os._exit(code)
        except OSError as error:
            send_json(connection, REFUSED, reason=f"it cannot fork: {error.strerror}")
        finally:
            connection.close()

    def _learn(self) -> bool:
        message, descriptors = self._receive_report()
        if message[:1] == _BUNDLE:
            with socket.socket(fileno=descriptors[0]) as connection, open(descriptors[1], "rb") as bundle:
                if self.surroundings.changed():
                    with contextlib.suppress(OSError):
                        send_json(connection, REFUSED, reason=_CHANGED, stale=True)
                    return False
                self._load(connection, bundle.read())
        elif message[:1] == _PAYLOAD:
            digest, own = message[1:33], json.loads(zlib.decompress(message[33:]).decode())
            if digest not in self.approved:
                self.approved[digest] = compile_modules(own)
                self._freeze()
        return message != _END

    def _receive_report(self) -> tuple[bytes, list[int]]:
        descriptors = array.array("i")
        room = socket.CMSG_SPACE(2 * descriptors.itemsize)
        message, rights, _flags, _address = self._reader.recvmsg(CHUNK, room)
        for _level, _kind, content in rights:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
        return message, list(descriptors)

    def _load(self, connection: socket.socket, content: bytes) -> None:
        """Import what is in a bundle, for all requests to come, and answer."""
        digest = hashlib.sha256(content).digest()
        try:
            if self.bundle is None:
                files = json.loads(zlib.decompress(content).decode("utf-8"))
                bundle = Bundle(
                    {name: text.encode("utf-8", "surrogateescape") for name, text in files.items()}
                )
                self.additions = {**shell_additions(self.environment), **self.coerced}
                bundle.preload()
                self.surroundings = Surroundings()
                self.bundle, self._digest = bundle, digest
                self._freeze()
            with contextlib.suppress(OSError):  # the client hung up
                if digest == self._digest:
                    send_json(connection, EXIT, status=0)
                else:
                    send_json(connection, REFUSED, reason=_UNKNOWN)
        except Exception as error:  # noqa: BLE001  # whatever the machine's libraries raise is told
            with contextlib.suppress(OSError):
                send_json(connection, REFUSED, reason=f"{type(error).__name__}: {error}")

    def _freeze(self) -> None:
        # Objects that the collector does not touch stay shared between this process and its children.
        gc.collect()
        gc.freeze()


def _name_this_process(name: str) -> str:
    """Have ps(1) show another name, so that nobody takes this process for one of the machine's own; returns
    the one before.
    """
    with open("/proc/self/comm", "r+", encoding="utf-8") as comm:
        before = comm.read().strip()
        comm.seek(0)
        comm.write(name)
    return before


def _given_environment() -> dict[str, str]:
    """What this process was started with, in the encoding of ``os.environ``."""
    with open("/proc/self/environ", "rb") as source:
        settings = (setting.partition(b"=") for setting in source.read().split(b"\0") if setting)
        return {os.fsdecode(name): os.fsdecode(value) for name, _equals, value in settings}


def send(connection: socket.socket, kind: bytes, content: bytes = b"") -> None:
    """Send one frame."""
    connection.sendall(FRAME.pack(kind, len(content)) + content)


def send_json(connection: socket.socket, kind: bytes, **content: t.Any) -> None:
    """Send one frame of JSON."""
    send(connection, kind, json.dumps(content).encode())


def receive(connection: socket.socket) -> tuple[bytes, bytes]:
    """One frame as (kind, content); EOFError when the other side is gone."""
    kind, size = FRAME.unpack(_exactly(connection, FRAME.size))
    return kind, _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    content = bytearray(size)
    view = memoryview(content)
    while view:
        count = connection.recv_into(view)
        if not count:
            raise EOFError
        view = view[count:]
    return bytes(content)


class Handler:
    """One request, in a process of its own."""

    def __init__(self, server: Server, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection

    def handle(self) -> None:
        """Read the request, carry it out, answer."""
        with contextlib.suppress(EOFError):
            _kind, content = receive(self._connection)
            request = json.loads(content)
            kind = request["kind"]
            if kind == QUIT:
                self._quit()
            elif kind == LOAD:
                self._load()
            elif kind == EXEC:
                self._exec(request)
            elif kind == PUT:
                self._put(request)
            elif kind == FETCH:
                self._fetch(request)
            elif kind == SHELL:
                self._shell(request)
            else:
                self._python(request)

    def _quit(self) -> None:
        """Hangs up when the server is gone."""
        server = os.getppid()
        self._server.report(_END)
        while os.getppid() == server:
            time.sleep(0.002)

    def _load(self) -> None:
        """Have the server import a bundle: what this process imports would end with it."""
        descriptor = os.memfd_create("bundle")
        _write_all(descriptor, self._input())
        os.lseek(descriptor, 0, os.SEEK_SET)
        self._server.report(_BUNDLE, self._connection.fileno(), descriptor)

    def _python(self, request: dict[str, t.Any]) -> None:
        source = self._input()
        if self._server.bundle is None:
            send_json(self._connection, REFUSED, reason="no module_utils are loaded", cold=True)
            return
        digest, reason = self._judge(source)
        if request["interpreter"] != self._server.interpreter:
            digest, reason = b"", "it wants another interpreter"
        elif not self._starts_alike(request):
            digest, reason = b"", "its Python would start with other settings"
        if reason:
            send_json(self._connection, REFUSED, reason=reason, stale=digest is None)
            return
        codes = self._server.approved.get(digest)
        os.setsid()  # as the shell around a module would: the module itself leads no session
        self._run(request, lambda: run_python(source, codes))

    def _starts_alike(self, request: dict[str, t.Any]) -> bool:
        """Whether a Python that is started for the request reads what this one read when it started."""
        ours, theirs = (
            {name: value for name, value in settings.items() if name.startswith(STARTUP_VARIABLES)}
            for settings in (self._server.environment, request["env"] or self._server.environment)
        )
        return ours == theirs

    def _judge(self, source: bytes) -> tuple[bytes | None, str]:
        """The digest of a payload that may run here, or why it may not; no digest if nothing may any more."""
        bundle = self._server.bundle
        if bundle is None or self._server.surroundings.changed():
            self._server.report(_END)
            return None, _CHANGED
        encoded = bundle.payload(source)
        if encoded is None:
            return b"", "it is no payload of a module"
        digest = hashlib.sha256(encoded).digest()
        if digest not in self._server.approved:
            own = bundle.approve(encoded)
            if own is None:
                return b"", _UNKNOWN
            # One that is no text, or too long for a message, is compared and compiled each time.
            with contextlib.suppress(OSError, UnicodeDecodeError):
                texts = {path: text.decode() for path, text in own.items()}
                self._server.report(_PAYLOAD + digest + zlib.compress(json.dumps(texts).encode(), 1))
        return digest, ""

    def _shell(self, request: dict[str, t.Any]) -> None:
        self._exec({**request, "argv": ["/bin/sh", "-c", request["command"]]})

    def _exec(self, request: dict[str, t.Any]) -> None:
        words = request["argv"]

        def run() -> int:
            os.setsid()
            # Python ignores these, and what it ignores stays ignored in what it becomes.
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            try:
                os.execvpe(words[0], words, dict(os.environ))  # noqa: S606
            except OSError as error:
                os.write(2, f"{words[0]}: {error.strerror}\n".encode("utf-8", "surrogateescape"))
                return 127 if isinstance(error, FileNotFoundError) else 126

        self._run(request, run, self._input())

    def _input(self) -> bytes:
        parts = []
        while True:
            kind, content = receive(self._connection)
            if kind == END:
                return b"".join(parts)
            parts.append(content)

    def _put(self, request: dict[str, t.Any]) -> None:
        self._settle(request)
        send(self._connection, STARTED)
        out, trouble = -1, ""
        try:
            out = os.open(request["path"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except OSError as error:
            trouble = error.strerror
        while True:
            kind, content = receive(self._connection)
            if kind == END:
                break
            try:
                if not trouble:
                    _write_all(out, content)
            except OSError as error:
                trouble = error.strerror
        self._end(trouble)

    def _fetch(self, request: dict[str, t.Any]) -> None:
        self._settle(request)
        send(self._connection, STARTED)
        trouble = ""
        try:
            with open(request["path"], "rb", buffering=0) as source:
                while True:
                    content = source.read(CHUNK)
                    if not content:
                        break
                    send(self._connection, STDOUT, content)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except OSError as error:
            trouble = error.strerror
        self._end(trouble)

    def _end(self, trouble: str) -> None:
        if trouble:
            send(self._connection, STDERR, trouble.encode())
        send_json(self._connection, EXIT, status=1 if trouble else 0)

    def _settle(self, request: dict[str, t.Any]) -> None:
        """Directory and umask of a command that the client would start itself."""
        with contextlib.suppress(OSError):
            os.chdir(self._server.cwd)
        if request.get("umask") is not None:
            os.umask(request["umask"])

    def _run(self, request: dict[str, t.Any], function: t.Callable[[], int], given: bytes = b"") -> None:
        """Fork for ``function``, which reads ``given``, and pass on what comes out; it returns its status."""
        in_reader, in_writer = os.pipe()
        out_reader, out_writer = os.pipe()
        err_reader, err_writer = os.pipe()
        send(self._connection, STARTED)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for number, descriptor in enumerate((in_reader, out_writer, err_writer)):
                    os.dup2(descriptor, number)
                self._become_fresh(request)
                code = function()
            except BaseException:  # noqa: BLE001  # as above
                os.write(2, traceback.format_exc().encode("utf-8", "replace"))
            finally:
                os._exit(code)
        for descriptor in (in_reader, out_writer, err_writer):
            os.close(descriptor)
        if given:
            _feed(in_writer, given)
        os.close(in_writer)
        streams = {out_reader: STDOUT, err_reader: STDERR}
        try:
            Pump(self._connection, streams).run()
            status = self._await(child)
        except (EOFError, ConnectionError):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            raise
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if request["kind"] == PYTHON:  # what the shell around it would say
                send(self._connection, STDERR, f"{signal.strsignal(number)}\n".encode())
            send_json(self._connection, EXIT, status=128 + number)
        else:
            send_json(self._connection, EXIT, status=os.WEXITSTATUS(status))

    def _await(self, child: int) -> int:
        """The status of a process that has closed its output and should end soon; EOFError as in Pump."""
        poll = select.poll()
        poll.register(self._connection, 0)  # hanging up is always told
        patience_ms = 1
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return status
            if poll.poll(patience_ms):
                raise EOFError
            patience_ms = min(patience_ms * 2, 50)

    def _become_fresh(self, request: dict[str, t.Any]) -> None:
        """Undo what distinguishes this process from one that was just started for the request."""
        server = self._server
        _name_this_process(server.name)
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2:
                with contextlib.suppress(OSError):
                    os.close(int(name))
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self._settle(request)
        environment = dict(server.environment if request["env"] is None else request["env"])
        if request["kind"] == PYTHON:
            environment = {**environment, **server.additions, **request["set"]}
        os.environ.clear()
        os.environ.update(environment)


def _feed(descriptor: int, content: bytes) -> None:
    """Write to a pipe in a process of its own: the reader may take its time, or never read at all."""
    if os.fork() == 0:
        try:
            os.dup2(descriptor, 0)
            os.closerange(1, os.sysconf("SC_OPEN_MAX"))
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            _write_all(0, content)
        finally:
            os._exit(0)


class Pump:
    """Moves what a process writes to the client."""

    def __init__(self, connection: socket.socket, streams: dict[int, bytes]) -> None:
        self._connection = connection
        self._streams = streams

    def run(self) -> None:
        """Until the process has closed its output; EOFError if the client hung up before."""
        poll = select.poll()
        poll.register(self._connection, 0)  # hanging up is always told
        for descriptor in self._streams:
            poll.register(descriptor, select.POLLIN)
        while self._streams:
            for descriptor, _event in poll.poll():
                if descriptor not in self._streams:
                    raise EOFError
                content = os.read(descriptor, CHUNK)
                if content:
                    send(self._connection, self._streams[descriptor], content)
                else:
                    poll.unregister(descriptor)
                    os.close(descriptor)
                    del self._streams[descriptor]


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


# ── as a Python of its own ─────────────────────────────────────────────────────────────────────────────────


def run_python(source: bytes, codes: dict[str, types.CodeType] | None) -> int:
    """Run ``source`` as ``python3`` with it on standard input would; returns the exit status."""
    _start_anew(codes)
    main_module = types.ModuleType("__main__")
    main_module.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main_module
    status = 0
    try:
        exec(compile(source, "<stdin>", "exec", dont_inherit=True), main_module.__dict__)  # noqa: S102
    except SystemExit as end:
        status = _exit_status(end.code)
    except BaseException:  # noqa: BLE001  # whatever a module raises ends as in its own process
        _complain()
        status = 1
    return _finish(status)


def _start_anew(codes: dict[str, types.CodeType] | None) -> None:
    time.tzset()
    # Not to be kept over a change of the host's name.
    platform._uname_cache = None  # noqa: SLF001
    sys.argv[:] = [""]
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    if codes and hasattr(zipimport.zipimporter, "exec_module"):
        CompiledZip.codes = codes
        sys.path_hooks.insert(0, _compiled_zip)
    # Not the standard streams of the executor: their buffers and encodings belong to it.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        binary = open(number, "rb" if number == 0 else "wb", closefd=False)  # noqa: SIM115  # for good
        binary.raw.name = f"<{name}>"
        errors = "backslashreplace" if number == 2 else _ERRORS
        stream = io.TextIOWrapper(binary, encoding=_ENCODING, errors=errors, line_buffering=number == 2)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


# Python knew when it started: the locales C, POSIX and C.UTF-8 pass on what cannot be decoded.
_ENCODING = getattr(sys.stdin, "encoding", None) or "utf-8"
_ERRORS = getattr(sys.stdin, "errors", None) or "strict"


def _compiled_zip(path: str) -> CompiledZip:
    base = os.path.basename(path)
    if not (base.startswith("ansible_") and base.endswith("_payload.zip")) and "_payload.zip/" not in path:
        raise ImportError(path)
    return CompiledZip(path)


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def _complain() -> None:
    kind, error, trace = sys.exc_info()
    # The first frame is ours.
    with contextlib.suppress(Exception):
        sys.excepthook(kind, error, trace.tb_next if trace else None)


def _finish(status: int) -> int:
    """What the interpreter does at its end."""
    threading._shutdown()  # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except (OSError, ValueError):
            status = status or 120
    return status
