# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP interface, a WSGI application (PEP 3333) that speaks JSON.

GET /healthz      200 if the database can be written, 503 otherwise
GET /version      name and version
GET /links        all links
POST /links       {"url": "https://…"} makes a link: 201
GET /links/SLUG   one link            DELETE /links/SLUG   204
GET /SLUG         302 to where the link points
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from store import LinkStore

VERSION = "1.0.0"
ABOUT = {"name": "links", "version": VERSION, "python": platform.python_version()}
MAX_BODY = 16 * 1024

Environ = dict[str, Any]
Answer = tuple[HTTPStatus, dict[str, str], object]


class Refusal(Exception):
    """An answer that is not what the client hoped for."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class LinkApplication:
    def __init__(self, store: LinkStore) -> None:
        self._store = store

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            status, headers, content = self._route(environ)
        except Refusal as refusal:
            status, headers, content = refusal.status, {}, {"error": str(refusal)}
        body = b"" if status is HTTPStatus.NO_CONTENT else json.dumps(content).encode() + b"\n"
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        start_response(f"{status.value} {status.phrase}", list(headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _route(self, environ: Environ) -> Answer:  # noqa: PLR0911  (one return an address)
        method = "GET" if environ["REQUEST_METHOD"] == "HEAD" else environ["REQUEST_METHOD"]
        match method, environ.get("PATH_INFO", "/").strip("/").split("/"):
            case "GET", ["healthz"]:
                return self._health()
            case "GET", ["version"]:
                return HTTPStatus.OK, {}, ABOUT
            case "GET", ["" | "links"]:
                return HTTPStatus.OK, {}, {"links": [asdict(link) for link in self._store.list()]}
            case "POST", ["links"]:
                link = self._store.add(wanted_url(environ))
                return HTTPStatus.CREATED, {"Location": f"/links/{link.slug}"}, asdict(link)
            case "GET", ["links", slug]:
                return HTTPStatus.OK, {}, asdict(found(self._store.find(slug), slug))
            case "DELETE", ["links", slug]:
                found(self._store.remove(slug) or None, slug)
                return HTTPStatus.NO_CONTENT, {}, None
            case "GET", [slug]:
                link = found(self._store.visit(slug), slug)
                return HTTPStatus.FOUND, {"Location": link.url}, asdict(link)
        raise Refusal(HTTPStatus.NOT_FOUND, f"nothing answers {method} {environ.get('PATH_INFO', '/')}")

    def _health(self) -> Answer:
        if self._store.is_writable():
            return HTTPStatus.OK, {}, {"status": "ok"}
        return HTTPStatus.SERVICE_UNAVAILABLE, {}, {"status": "the database cannot be written"}


def found(thing: Any, slug: str) -> Any:
    if thing is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no link {slug}")
    return thing


def wanted_url(environ: Environ) -> str:
    """The address in a request's body, which must be one that a browser may be sent to."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MAX_BODY:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {MAX_BODY} bytes")
    try:
        url = json.loads(environ["wsgi.input"].read(int(length)))["url"]
        parts = urlsplit(url)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refusal(HTTPStatus.BAD_REQUEST, 'write {"url": "https://…"}') from None
    if parts.scheme not in ("http", "https") or not parts.netloc or not url.isprintable():
        raise Refusal(HTTPStatus.BAD_REQUEST, "an address begins with http:// or https:// and a host")
    return str(url)
