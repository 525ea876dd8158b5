# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents of an image, decoded: index, manifest and configuration (image-spec 1.1).

Who reads an image reads it through these, so that what follows knows the types of what it has. Fields of no
meaning here are left out.
"""

from __future__ import annotations

import re
from typing import NotRequired, TypedDict

from ansible_collections.bakery.images.plugins.module_utils.foreign_json import Foreign, quoted
from ansible_collections.bakery.images.plugins.module_utils.image_settings import (
    Settings,
    settings_of,
    texts_by_name,
)
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError

DIGEST = re.compile(r"\Asha256:[0-9a-f]{64}\Z")
# What platforms are called in Go, and so in OCI.
_WORD = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z", re.ASCII)
_MOST_SIZE = (1 << 63) - 1
# OVL_MAX_STACK of the kernel (fs/overlayfs/params.h).
_MOST_LAYERS = 500


class Platform(TypedDict, total=False):
    """What an image runs on, in Go's words."""

    os: str
    architecture: str
    variant: str


class Descriptor(TypedDict):
    """A blob: its type, digest and size in bytes (descriptor.md)."""

    mediaType: str
    digest: str
    size: int
    annotations: NotRequired[dict[str, str]]
    platform: NotRequired[Platform]


class Manifest(TypedDict):
    """An image manifest (manifest.md)."""

    config: Descriptor
    layers: list[Descriptor]
    annotations: NotRequired[dict[str, str]]


class History(TypedDict, total=False):
    """What made a layer, or changed only the configuration."""

    created: str
    created_by: str
    empty_layer: bool


class RootFs(TypedDict):
    """The digests of the uncompressed layers, lowest first."""

    type: str
    diff_ids: list[str]


class Config(TypedDict):
    """An image configuration (config.md); without platform it is one for any host."""

    os: NotRequired[str]
    architecture: NotRequired[str]
    variant: NotRequired[str]
    created: NotRequired[str]
    config: NotRequired[Settings]
    history: NotRequired[list[History]]
    rootfs: RootFs


def index_of(document: Foreign) -> list[Descriptor]:
    """The images, or further indexes, that an index lists."""
    return [descriptor_of(entry) for entry in document.needed("manifests").items()]


def manifest_of(document: Foreign) -> Manifest:
    """An image manifest."""
    if document.field("config") is None or document.field("layers") is None:
        raise StoreError(f"{document.of} is not an image manifest")
    manifest: Manifest = {
        "config": descriptor_of(document.needed("config")),
        "layers": [descriptor_of(layer) for layer in document.needed("layers").items()],
    }
    if len(manifest["layers"]) > _MOST_LAYERS:
        raise document.wrong(
            f"has {len(manifest['layers'])} layers, more than overlay mounts ({_MOST_LAYERS})"
        )
    if annotations := document.field("annotations"):
        manifest["annotations"] = texts_by_name(annotations)
    return manifest


def config_of(document: Foreign) -> Config:
    """An image configuration."""
    rootfs = document.needed("rootfs")
    config: Config = {
        "rootfs": {"type": "layers", "diff_ids": [_digest(one) for one in rootfs.needed("diff_ids").items()]}
    }
    platform = _platform(document)
    config.update(platform)  # type: ignore[typeddict-item]  # the same names with the same types
    if created := document.field("created"):
        config["created"] = created.text()
    if settings := document.field("config"):
        config["config"] = settings_of(settings)
    if history := document.field("history"):
        config["history"] = [_history(entry) for entry in history.items()]
    return config


def descriptor_of(node: Foreign) -> Descriptor:
    """A descriptor; only blobs with sha256 digests can be read."""
    media_type = node.field("mediaType")
    descriptor: Descriptor = {
        "mediaType": media_type.text() if media_type else "",
        "digest": _digest(node.needed("digest")),
        "size": node.needed("size").number(most=_MOST_SIZE),
    }
    if annotations := node.field("annotations"):
        descriptor["annotations"] = texts_by_name(annotations)
    if platform := node.field("platform"):
        descriptor["platform"] = _platform(platform)
    return descriptor


def _platform(node: Foreign) -> Platform:
    found: Platform = {}
    if system := node.field("os"):
        found["os"] = _word(system)
    if architecture := node.field("architecture"):
        found["architecture"] = _word(architecture)
    if (variant := node.field("variant")) and variant.text():
        found["variant"] = _word(variant)
    return found


def _history(node: Foreign) -> History:
    found: History = {}
    if created := node.field("created"):
        found["created"] = created.text()
    if made := node.field("created_by"):
        found["created_by"] = made.text()
    if empty := node.field("empty_layer"):
        found["empty_layer"] = empty.truth()
    return found


def _digest(node: Foreign) -> str:
    digest = node.text()
    if not DIGEST.match(digest):
        raise node.wrong(f"is {quoted(digest)}, which is not a sha256 digest")
    return digest


def _word(node: Foreign) -> str:
    word = node.text()
    if not _WORD.match(word):
        raise node.wrong(f"is {quoted(word)}, which is not the name of a platform")
    return word
