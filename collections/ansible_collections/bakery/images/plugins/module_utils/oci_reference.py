# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a base image comes from: a reference is opened as an OCI layout with exactly one image in it.

``oci:PATH[:TAG|@DIGEST]`` and ``oci-archive:FILE[:TAG|@DIGEST]`` are read here; ``docker-archive:FILE`` and ``docker://…``
are copied by skopeo, with the user's own registry logins.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.blob_store import sha256
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError
from ansible_collections.bakery.images.plugins.module_utils.oci_image import host_platform
from ansible_collections.bakery.images.plugins.module_utils.oci_layout import (
    INDEX_TYPE,
    Image,
    OciLayout,
    load_image,
)
from ansible_collections.bakery.images.plugins.module_utils.tar_unpack import copy_member

_DOCKER_INDEX_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
_ARCHIVE_MEMBER = re.compile(r"\A(\./)?(oci-layout|index\.json|blobs/sha256/[0-9a-f]{64})\Z")
_LOOPBACK = re.compile(r"\A(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?/")
_WITH_DIGEST = re.compile(r"\A(.+)@(sha256:[0-9a-f]{64})\Z")
_TIMEOUT_S = 3600


@dataclass(frozen=True)
class SourceImage:
    """An image to import, the layout that holds it, and the reference with its tag resolved to a digest."""

    layout: OciLayout
    image: Image
    resolved: str


@contextmanager
def opened_source(reference: str, workspace: str, *, tls_verify: bool | None = None) -> Iterator[SourceImage]:
    """Open ``reference``; what must be copied goes into the directory ``workspace``, removed at the end.

    ``tls_verify``: None means yes, except for a registry on a loopback address. Raises StoreError.
    """
    transport, _colon, rest = reference.partition(":")
    openers = {"oci": _open_layout, "oci-archive": _open_archive, "docker-archive": _copy_docker_archive}
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
        shutil.rmtree(workspace, ignore_errors=True)


def _open_layout(rest: str, _workspace: str) -> SourceImage:
    path, which = _split(rest)
    return _only_image(path, which, name=f"oci:{path}")


def _open_archive(rest: str, workspace: str) -> SourceImage:
    path, which = _split(rest)
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if member.isreg() and _ARCHIVE_MEMBER.match(member.name):
                    _extract(archive, member, os.path.join(workspace, os.path.normpath(member.name)))
    except (tarfile.TarError, EOFError) as error:
        raise StoreError(f"{path} is not a tar archive: {error}") from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    return _only_image(workspace, which, name=f"oci-archive:{path}")


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        copy_member(archive, member, out)


def _copy_docker_archive(rest: str, workspace: str) -> SourceImage:
    _require_file(rest.partition(":")[0])
    reference = f"docker-archive:{rest}"
    _skopeo("copy", "--quiet", reference, f"oci:{workspace}:image")
    # Its manifest was made just now, so that its digest would name it nowhere else.
    return replace(_only_image(workspace, "image", name=reference), resolved=reference)


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
    return replace(_only_image(workspace, "image", name=reference), resolved=reference)


def _split(rest: str) -> tuple[str, str]:
    """``PATH[:TAG]`` or ``PATH@DIGEST`` as the path and the tag or digest, empty if there is none."""
    match = _WITH_DIGEST.match(rest)
    if match:
        return match.group(1).partition(":")[0], match.group(2)
    path, _colon, tag = rest.partition(":")
    return path, tag


def _only_image(path: str, which: str, *, name: str) -> SourceImage:
    """The image of a layout that ``which``, a tag or digest, names; if empty, the only one there is."""
    if not os.path.isfile(os.path.join(path, "index.json")):
        raise StoreError(f"{path} is not an OCI image layout: it has no index.json")
    layout = OciLayout(path)
    entries = {entry["digest"]: entry for entry in layout.descriptors()}
    found = layout.find(which) if which else list(entries)
    if len(found) != 1:
        tags = ", ".join(sorted(layout.names())) or "none"
        problem = f"no image '{which}'" if which else f"{len(found)} images; name one of them"
        raise StoreError(f"{name} has {problem}; its tags are: {tags}")
    descriptor = _for_this_host(layout, entries[found[0]], name)
    return SourceImage(layout, load_image(layout.blobs, descriptor), f"{name}@{found[0]}")


def _for_this_host(layout: OciLayout, descriptor: dict[str, Any], resolved: str) -> dict[str, Any]:
    """The image of an index, which may have one for each platform, that runs on this host."""
    if descriptor.get("mediaType") not in (INDEX_TYPE, _DOCKER_INDEX_TYPE):
        return descriptor
    host = host_platform()
    index = layout.blobs.read_json(descriptor["digest"])
    found = []
    for entry in index.get("manifests", []):
        platform = entry.get("platform") or {}
        found.append(f"{platform.get('os')}/{platform.get('architecture')}")
        if platform.get("os") == host["os"] and platform.get("architecture") == host["architecture"]:
            return dict(entry)
    raise StoreError(
        f"{resolved} has no image for {host['os']}/{host['architecture']}; it has {', '.join(found)}"
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
    return match.group(1).replace('\\"', '"') if match else line
