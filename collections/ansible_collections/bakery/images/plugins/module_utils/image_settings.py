# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``config`` object of an image, checked: what of it may become words of an engine's command line.

A pulled base is untrusted. Each field has a form that no engine reads as anything else: a volume is a path in
the container and never ``HOST:CONTAINER``, a variable has a value and never stands for the host's.
Fields: image-spec 1.1, config.md; ``Healthcheck``, ``OnBuild``, ``Shell``: Docker's image specification 1.2,
which podman reads too. Fields of no meaning here are left out, as the image-spec tells readers to do.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Any, TypedDict, cast

from ansible_collections.bakery.images.plugins.module_utils.foreign_json import Foreign, quoted


class Settings(TypedDict, total=False):
    """What an image runs and how, in OCI's words."""

    User: str
    ExposedPorts: dict[str, dict[str, Any]]
    Env: list[str]
    Entrypoint: list[str]
    Cmd: list[str]
    Volumes: dict[str, dict[str, Any]]
    WorkingDir: str
    Labels: dict[str, str]
    StopSignal: str
    Healthcheck: dict[str, Any]
    OnBuild: list[str]
    Shell: list[str]


# A colon would make it a path of the host, a comma another option, quotes a field of CSV (podman-run(1)).
_NOT_IN_VOLUMES = set(':,"\\')
# user, uid, user:group, uid:gid, uid:group, user:gid (image-spec).
_USER = re.compile(r"\A[\w.][\w.$@+-]{0,255}(:[\w.][\w.$@+-]{0,255})?\Z", re.ASCII)
_SIGNAL = re.compile(r"\A(SIG)?[A-Z][A-Z0-9]{1,14}([+-][0-9]{1,2})?\Z|\A[0-9]{1,2}\Z", re.IGNORECASE)
PORT = re.compile(r"\A[0-9]{1,5}(-[0-9]{1,5})?(/(tcp|udp|sctp))?\Z", re.ASCII | re.IGNORECASE)
_MOST_NANOSECONDS = (1 << 63) - 1
_MOST_RETRIES = (1 << 31) - 1


def decode_settings(value: object, *, of: str) -> Settings:
    """The known fields of a config object; ``of`` says of what in messages.

    Empty ones are left out. StoreError for a value that no engine would take, or that it could take for
    something else.
    """
    return settings_of(Foreign(value, of))


def settings_of(config: Foreign) -> Settings:
    """The known fields of the config object at a place of a document."""
    found = {}
    for name, check in _FIELDS.items():
        field = config.field(name)
        checked = check(field) if field else None
        if checked not in (None, "", [], {}):
            found[name] = checked
    return cast("Settings", found)


def _working_directory(node: Foreign) -> str:
    path = node.text()
    if path and not (path.startswith("/") and path.isprintable()):
        raise node.wrong(f"is {quoted(path)}, which is not an absolute path")
    # Descriptors of the host's own are below /proc while a container starts (CVE-2024-21626).
    if f"{posixpath.normpath(path)}/".lstrip("/").startswith("proc/"):
        raise node.wrong(f"is {quoted(path)}, but nothing can work in /proc")
    return path


def _volumes(node: Foreign) -> dict[str, dict[str, Any]]:
    for path, _empty in node.fields():
        parts = path.split("/")
        odd = ".." in parts or _NOT_IN_VOLUMES & set(path) or not path.isprintable()
        if odd or not path.startswith("/"):
            raise node.wrong(
                f"names {quoted(path)}, which is not an absolute path in the container "
                "without '..', ':', ',', quotes and control characters"
            )
        if not set(parts) - {"", "."}:
            raise node.wrong(f"names {quoted(path)}, but the whole container cannot be a volume")
    return {path: {} for path, _empty in node.fields()}


def _environment(node: Foreign) -> list[str]:
    """``NAME=VALUE`` each. A bare ``NAME`` or ``NAME*`` means the host's environment to podman-run(1)."""
    found = []
    for item in node.items():
        name, _equals, value = item.text().partition("=")
        if not name or not name.isprintable():
            raise item.wrong(f"is {quoted(item.value)}, which does not begin with a variable's NAME=")
        found.append(f"{name}={value}")
    return found


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[Foreign], str]:
    def check(node: Foreign) -> str:
        text = node.text()
        if text and not pattern.match(text):
            raise node.wrong(f"is {quoted(text)}, which is not {what}")
        return text

    return check


def _ports(node: Foreign) -> dict[str, dict[str, Any]]:
    for name, _empty in node.fields():
        if not PORT.match(name):
            raise node.wrong(f"names {quoted(name)}, which is not a port such as 80/tcp")
    return {name: {} for name, _empty in node.fields()}


def texts_by_name(node: Foreign) -> dict[str, str]:
    """An object whose values are texts: labels, annotations."""
    return {name: "" if item.value is None else item.text() for name, item in node.fields()}


def _healthcheck(node: Foreign) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if test := node.field("Test"):
        found["Test"] = test.texts()
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        if time := node.field(name):
            found[name] = time.number(most=_MOST_NANOSECONDS)
    if retries := node.field("Retries"):
        found["Retries"] = retries.number(most=_MOST_RETRIES)
    return found


_FIELDS: dict[str, Callable[[Foreign], Any]] = {
    "User": _matching(_USER, "a user, or a user and a group"),
    "ExposedPorts": _ports,
    "Env": _environment,
    "Entrypoint": Foreign.texts,
    "Cmd": Foreign.texts,
    "Volumes": _volumes,
    "WorkingDir": _working_directory,
    "Labels": texts_by_name,
    "StopSignal": _matching(_SIGNAL, "the name or number of a signal"),
    "Healthcheck": _healthcheck,
    "OnBuild": Foreign.texts,
    "Shell": Foreign.texts,
}
