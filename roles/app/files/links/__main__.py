# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve links over HTTP until SIGTERM; answer the requests that have begun, then end."""

from __future__ import annotations

import logging
import os
import signal
import socket
import socketserver
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from store import LinkStore
from web import VERSION, LinkApplication

log = logging.getLogger("links")


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """One thread a request; closing waits for all of them."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128


class Handler(WSGIRequestHandler):
    """Logs through `logging`, and does not wait forever for a client that says nothing."""

    timeout = 15

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (named by the base class)
        log.info("%s %s", self.client_address[0], format % args)


def notify(state: str) -> None:
    """Tell systemd about a state, as in sd_notify(3); nothing if nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(state.encode(), address)


def main() -> int:
    level = os.environ.get("APP_LOG_LEVEL", "info").upper()
    logging.basicConfig(level=level, format="%(levelname)s %(message)s")
    host, _, port = os.environ.get("APP_LISTEN", "127.0.0.1:8000").rpartition(":")
    store = LinkStore(os.environ.get("APP_DATABASE", "links.sqlite"))
    with Server((host, int(port)), Handler) as server:
        server.set_app(LinkApplication(store))

        def stop(number: int, _frame: object) -> None:
            log.info("%s: finishing the requests that have begun", signal.Signals(number).name)
            notify("STOPPING=1")
            # shutdown() waits for the loop that this very thread runs.
            threading.Thread(target=server.shutdown).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        log.info("links %s listens on %s:%s", VERSION, host, port)
        notify("READY=1")
        server.serve_forever()
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
