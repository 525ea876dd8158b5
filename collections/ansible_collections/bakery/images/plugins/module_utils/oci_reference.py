# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a base image comes from: a reference is opened as an OCI layout with exactly one image in it.

``oci:PATH[:TAG|@DIGEST]`` and ``oci-archive:FILE[:TAG|@DIGEST]`` are read here; ``docker-archive:FILE`` and ``docker://…``
are copied by skopeo, with the user's own registry logins. Sources belong to the user: they are read and never
changed.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import IO

from ansible_collections.bakery.images.plugins.module_utils.blob_store import sha256
from ansible_collections.bakery.images.plugins.module_utils.compression import archive_content
from ansible_collections.bakery.images.plugins.module_utils.foreign_json import MOST_BYTES, quoted
from ansible_collections.bakery.images.plugins.module_utils.foreign_layout import ForeignLayout
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError, delete_tree
from ansible_collections.bakery.images.plugins.module_utils.oci_documents import Descriptor
from ansible_collections.bakery.images.plugins.module_utils.oci_image import host_platform
from ansible_collections.bakery.images.plugins.module_utils.oci_layout import (
    INDEX_TYPE,
    Image,
    found_in,
    load_image,
    ref_name,
)
from ansible_collections.bakery.images.plugins.module_utils.tar_members import TarMembers, disk_room

_DOCKER_INDEX_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
_ARCHIVE_MEMBER = re.compile(r"\A(oci-layout|index\.json|blobs/sha256/[0-9a-f]{64})\Z")
_LOOPBACK = re.compile(r"\A(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?/")
_WITH_DIGEST = re.compile(r"\A(.+)@(sha256:[0-9a-f]{64})\Z")
_TIMEOUT_S = 3600
_MOST_NAMES = 20


@dataclass(frozen=True)
class SourceImage:
    """An image to import, the layout that holds it, and the reference with its tag resolved to a digest."""

    layout: ForeignLayout
    image: Image
    resolved: str


@contextmanager
def opened_source(reference: str, workspace: str, *, tls_verify: bool | None = None) -> Iterator[SourceImage]:
    """Open ``reference``; what must be copied goes into the directory ``workspace``, removed at the end.

    ``tls_verify``: None means yes, except for a registry on a loopback address. Raises StoreError.
    """
    transport, _colon, rest = reference.partition(":")
    openers = {"oci": _open_layout, "oci-archive": _open_archive, "docker-archive": _copy_docker_archive}
    if "\0" in reference:
        raise StoreError(f"{quoted(reference)} is not an image source")
    os.makedirs(workspace, mode=0o700)
    try:
        if transport == "docker" and rest.startswith("//"):
            yield _copy_registry(rest.removeprefix("//"), workspace, tls_verify=tls_verify)
        elif transport in openers and rest:
            yield openers[transport](rest, workspace)
        else:
            raise StoreError(
                f"'{reference}' is not an image source; write docker://NAME:TAG, oci:DIRECTORY[:TAG], "
                "oci-archive:FILE or docker-archive:FILE"
            )
    finally:
        with suppress(subprocess.CalledProcessError):
            delete_tree(workspace)


def _open_layout(rest: str, _workspace: str) -> SourceImage:
    path, which = _split(rest)
    return chosen_image(ForeignLayout(path, f"oci:{path}"), which)


def _open_archive(rest: str, workspace: str) -> SourceImage:
    path, which = _split(rest)
    try:
        with _open_file(path) as archive:
            _extract(archive, path, workspace)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    return chosen_image(ForeignLayout(workspace, f"oci-archive:{path}"), which)


def _extract(archive: IO[bytes], path: str, workspace: str) -> None:
    """Write what a layout consists of from an archive into the directory ``workspace``."""
    members = TarMembers(archive_content(archive), what=path, room=disk_room(workspace))
    for member in members:
        name = os.path.normpath(member.name)
        if member.isreg() and _ARCHIVE_MEMBER.match(name):
            if not name.startswith("blobs/") and member.size > MOST_BYTES:
                raise StoreError(f"{name} in {path} is larger than {MOST_BYTES} bytes")
            with _extracted(os.path.join(workspace, name), of=path) as out:
                members.copy(member, out)


def _open_file(path: str) -> IO[bytes]:
    """The archive that the user named, through a link if need be; nothing that one would have to wait for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StoreError(f"cannot read {path}: it is not a regular file")
    return os.fdopen(descriptor, "rb")


@contextmanager
def _extracted(path: str, *, of: str) -> Iterator[IO[bytes]]:
    """A new file for a member of an archive."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as out:
            yield out
    except FileExistsError as error:
        raise StoreError(
            f"{os.path.basename(path)} is in {of} twice, so that it could mean either"
        ) from error
    except OSError as error:
        raise StoreError(f"cannot extract {os.path.basename(path)} of {of}: {error.strerror}") from error


def _copy_docker_archive(rest: str, workspace: str) -> SourceImage:
    _require_file(rest.partition(":")[0])
    reference = f"docker-archive:{rest}"
    _skopeo("copy", "--quiet", reference, f"oci:{workspace}:image")
    # Its manifest was made just now, so that its digest would name it nowhere else.
    return replace(chosen_image(ForeignLayout(workspace, reference), "image"), resolved=reference)


def _copy_registry(name: str, workspace: str, *, tls_verify: bool | None) -> SourceImage:
    verify = not _LOOPBACK.match(name) if tls_verify is None else tls_verify
    reference = f"docker://{name}"
    if "@" not in name:
        # The digest of a manifest is that of its bytes (distribution-spec 1.1); asking skopeo for it would
        # list all tags.
        digest = sha256(_skopeo("inspect", f"--tls-verify={verify}".lower(), "--raw", reference))
        repository, slash, last = name.rpartition("/")
        reference = f"docker://{repository}{slash}{last.partition(':')[0]}@{digest}"
    _skopeo("copy", "--quiet", f"--src-tls-verify={verify}".lower(), reference, f"oci:{workspace}:image")
    return replace(chosen_image(ForeignLayout(workspace, reference), "image"), resolved=reference)


def _split(rest: str) -> tuple[str, str]:
    """``PATH[:TAG]`` or ``PATH@DIGEST`` as the path and the tag or digest, empty if there is none.

    Both may have colons: the longest path that exists is meant.
    """
    match = _WITH_DIGEST.match(rest)
    if match:
        return _split(match.group(1))[0], match.group(2)
    path, tag = rest, ""
    while not os.path.exists(path):
        shorter, colon, more = path.rpartition(":")
        if not colon:
            start, _colon, tag = rest.partition(":")
            return start, tag
        path, tag = shorter, f"{more}:{tag}" if tag else more
    return path, tag


def chosen_image(layout: ForeignLayout, which: str) -> SourceImage:
    """The image of a layout that ``which``, a tag or digest, names; if empty, the only one there is."""
    listed = layout.index()
    entries = {entry["digest"]: entry for entry in listed}
    found = found_in(listed, which) if which else list(entries)
    if len(found) != 1:
        names = sorted({_plain(name) for entry in listed if (name := ref_name(entry))})
        tags = ", ".join([*names[:_MOST_NAMES], *["…"][: len(names) > _MOST_NAMES]]) or "none"
        problem = f"no image '{which}'" if which else f"{len(found)} images; name one of them"
        raise StoreError(f"{layout.name} has {problem}; its tags are: {tags}")
    resolved = f"{layout.name}@{found[0]}"
    return SourceImage(
        layout, load_image(layout, _for_this_host(layout, entries[found[0]], resolved)), resolved
    )


def _plain(name: str) -> str:
    return name if name.isprintable() else quoted(name)


def _for_this_host(layout: ForeignLayout, descriptor: Descriptor, resolved: str) -> Descriptor:
    """The image of an index, which may have one for each platform, that runs on this host."""
    if descriptor["mediaType"] not in (INDEX_TYPE, _DOCKER_INDEX_TYPE):
        return descriptor
    host = host_platform()
    found = []
    for entry in layout.nested(descriptor):
        platform = entry.get("platform", {})
        theirs = f"{platform.get('os', 'unknown')}/{platform.get('architecture', 'unknown')}"
        if theirs == f"{host['os']}/{host['architecture']}":
            return entry
        found.append(theirs)
    raise StoreError(
        f"{resolved} has no image for {host['os']}/{host['architecture']}; "
        f"it has {', '.join(found[:_MOST_NAMES]) or 'none'}"
    )


def _require_file(path: str) -> None:
    if not os.path.isfile(path):
        raise StoreError(f"cannot read {path}: there is no such file")


def _skopeo(*arguments: str) -> bytes:
    """Run skopeo and return what it printed; its last line of complaint becomes the error."""
    try:
        done = subprocess.run(
            ["skopeo", *arguments],
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise StoreError("this image source needs skopeo, which is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"skopeo {arguments[0]} did not end within {_TIMEOUT_S} s") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [
            f"exit status {done.returncode}"
        ]
        raise StoreError(f"cannot get {_source_of(arguments)}: {_message(lines[-1])}")
    return done.stdout


def _source_of(arguments: tuple[str, ...]) -> str:
    return next(word for word in arguments if word.startswith(("docker:", "docker-archive:")))


def _message(line: str) -> str:
    """What skopeo's log line says, without its time and level."""
    match = re.search(r'msg="(.*)"', line)
    text = match.group(1).replace('\\"', '"') if match else line
    return text if text.isprintable() else quoted(text)
