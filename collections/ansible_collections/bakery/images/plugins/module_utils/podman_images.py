# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting an image into podman's own store, under ``localhost/NAME:TAG``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.oci_image import layout_of
from ansible_collections.bakery.images.plugins.module_utils.oci_layout import (
    LAYOUT_FILE,
    Image,
    checked_name,
    index_bytes,
)
from ansible_collections.bakery.images.plugins.module_utils.packing import blobs_of
from ansible_collections.bakery.images.plugins.module_utils.podman import engine_environment
from ansible_collections.bakery.images.plugins.module_utils.unfinished import unfinished

_TIMEOUT_S = 3600


def engine_name(name: str) -> str:
    """What ``NAME:TAG`` is called in an engine's store."""
    return f"localhost/{checked_name(name)}"


def missing_names(image: Image, names: list[str]) -> list[str]:
    """Those of ``names`` that do not mean the image in podman's store yet."""
    wanted = image.config_digest.removeprefix("sha256:")
    return [name for name in names if _image_id(engine_name(name)) != wanted]


def load_into_podman(store: LayerStore, image: Image, names: list[str]) -> None:
    """Let podman import the image and give it ``names``. StoreError with podman's complaint."""
    for digest in image.blobs:
        blobs_of(store).check(digest, of=f"image {names[0]}")
    with _view(store, image) as view:
        # podman names what it pulls from a layout after the path: a relative one is a name always.
        image_id = _podman("pull", "--quiet", f"oci:{os.path.basename(view)}", at=store.root).split()[-1]
        for name in names:
            _podman("tag", image_id, engine_name(name))
        tags = json.loads(_podman("image", "inspect", "--format", "{{json .RepoTags}}", image_id))
        accidental = [tag for tag in tags or () if os.path.basename(view) in tag]
        if accidental:
            _podman("untag", image_id, *accidental)


@contextmanager
def _view(store: LayerStore, image: Image) -> Iterator[str]:
    """A layout with this image alone, its blobs those of the store."""
    layout = layout_of(store)
    view = unfinished(os.path.join(store.root, "view"))
    try:
        os.mkdir(view, 0o700)
        os.symlink(os.path.join(layout.path, "blobs"), os.path.join(view, "blobs"))
        for name, content in (("oci-layout", LAYOUT_FILE), ("index.json", index_bytes([image.descriptor]))):
            with open(os.path.join(view, name), "wb") as out:
                out.write(content)
        yield view
    except OSError as error:
        raise StoreError(f"cannot write {view}: {error.strerror}") from error
    finally:
        shutil.rmtree(view, ignore_errors=True)


def _image_id(name: str) -> str | None:
    done = _run("image", "inspect", "--format", "{{.Id}}", name)
    return done.stdout.strip() if done.returncode == 0 else None


def _podman(*arguments: str, at: str | None = None) -> str:
    done = _run(*arguments, at=at)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise StoreError(f"podman {arguments[0]} failed: {lines[-1].removeprefix('Error: ')}")
    return done.stdout


def _run(*arguments: str, at: str | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["podman", *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env=engine_environment(),
            cwd=at,
        )
    except FileNotFoundError as error:
        raise StoreError("podman is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"podman {arguments[0]} did not end within {_TIMEOUT_S} s") from error
