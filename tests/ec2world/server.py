"""The endpoint: moto behind a shim that records calls, lets faults happen, and takes one call at a time."""

from __future__ import annotations

import json
import socket
import traceback
from collections.abc import Iterable
from threading import RLock, Thread
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

import boto3
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from tests.ec2world.calls import Call, read_call
from tests.ec2world.faults import Faults


class ConnectionDropped(ConnectionError):
    """The server's way to close a connection without an answer."""


class _QuietHandler(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Say nothing of requests: they are recorded."""

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """No answer, and no second request on the same connection either."""
        self.close_connection = True


class Shim:
    """A WSGI application around moto's."""

    def __init__(self, lock: RLock) -> None:
        self.calls: list[Call] = []
        self.faults = Faults()
        # Calls that moto does not know, or broke on: an error of this world and not of its user.
        self.broken: list[tuple[Call, str]] = []
        session = boto3.session.Session()
        self._regions = frozenset(
            region
            for partition in session.get_available_partitions()
            for region in session.get_available_regions("ec2", partition_name=partition)
        )
        self._moto = DomainDispatcherApplication(create_backend_app)
        # moto's models are for one thread. Machines that change state take the same lock.
        self._lock = lock

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call = read_call(environ)
        self.calls.append(call)
        response = self._answer(call, environ)
        call.status = response.status_code if response else 0
        if response is None:
            raise ConnectionDropped
        return response(environ, start_response)

    def _answer(self, call: Call, environ: dict[str, Any]) -> Response | None:
        if call.region and call.region not in self._regions:
            return None  # the endpoint of such a region has no address
        rules = self.faults.met_by(call)
        for rule in rules:
            if rule.before:
                rule.before(call)
        for rule in rules:
            if rule.code:
                return _refusal(call, rule.code, rule.message or "Injected by a test.", rule.status)
        try:
            with self._lock:
                response = Response.from_app(self._moto, environ, buffered=True)
        except Exception:  # noqa: BLE001  # moto says so in many ways
            self.broken.append((call, traceback.format_exc()))
            return _refusal(call, "InternalError", "This world does not know the call.", 500)
        call.answer = response.get_data(as_text=True)
        for rule in rules:
            if rule.after:
                rule.after(call)
        return None if any(rule.drop for rule in rules) else response


class Server:
    """The shim behind a socket that listens, in a thread of this process."""

    def __init__(self, shim: Shim, endpoint: socket.socket) -> None:
        self._socket = endpoint
        address, port = endpoint.getsockname()
        self._server = make_server(
            address,
            port,
            shim,
            threaded=True,
            request_handler=_QuietHandler,
            fd=self._socket.fileno(),
        )
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, name="ec2world", daemon=True)
        self.url = f"http://{address}:{port}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._socket.close()


def _refusal(call: Call, code: str, message: str, status: int) -> Response:
    """An error in the words of the service's protocol."""
    if call.json:
        text = json.dumps({"__type": code, "message": message})
        return Response(text, status, content_type="application/x-amz-json-1.1")
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if call.service == "ec2":
        text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{uuid4()}</RequestID></Response>"
    else:
        error = f"<Error><Type>Sender</Type>{error}</Error><RequestId>{uuid4()}</RequestId>"
        text = f"<ErrorResponse>{error}</ErrorResponse>"
    return Response(text, status, content_type="text/xml")
