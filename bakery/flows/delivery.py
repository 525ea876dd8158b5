"""``bakery load`` and ``bakery export``: an image leaves the store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakery.flows.handed_up import handed_up
from bakery.flows.kitchen import Kitchen
from bakery.model.records import ImageRecord


def load_image(kitchen: Kitchen, image: ImageRecord) -> Mapping[str, Any]:
    """Put the image into the local engine's own store; returns what the target says of it (names, run)."""
    up = kitchen.run("load.yml", image.target, _naming(image))
    return handed_up(up, "loaded", image.target)


def export_image(kitchen: Kitchen, image: ImageRecord, file: Path, *, archive: str) -> Mapping[str, Any]:
    """Write the image to ``file``; returns the target's report (path, bytes, digest)."""
    variables = {**_naming(image), "bakery_export": {"path": str(file.resolve()), "format": archive}}
    up = kitchen.run("export.yml", image.target, variables)
    return handed_up(up, "exported", image.target)


def _naming(image: ImageRecord) -> dict[str, Any]:
    return {
        "bakery_artifact": dict(image.artifact),
        "bakery_artifact_name": str(image.artifact["digest"]),
        "bakery_names": list(image.names),
    }
