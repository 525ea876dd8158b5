"""The base that every competitor starts from: bakery makes it, and the peers get it into their store."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore
from ansible_collections.bakery.images.plugins.module_utils.oci_archive import export
from ansible_collections.bakery.images.plugins.module_utils.oci_image import ImageRequest, compose, layout_of

from bench import children
from bench.engine import BASE
from bench.layers import find_base
from bench.peers.peer import Place
from bench.places import COMMANDS
from bench.work import Project


def make_base(home: Path, project: Project, log: Path) -> None:
    """Make the base of ``project`` in ``home``."""
    environment = os.environ | {"BAKERY_HOME": str(home)}
    children.run([COMMANDS / "bakery", "base", "refresh"], cwd=project.directory, env=environment, log=log)


def load_base(home: Path, place: Place) -> None:
    """Put the base into the peers' store as an image of one layer."""
    store, record = LayerStore(str(home / "container")), find_base(home)
    ids = tuple(layer["id"] for layer in record["layers"])
    artifact, _ = compose(store, ImageRequest("bench", ids, epoch=record["epoch"], compression="gzip"))
    layout, archive = layout_of(store), place.directory / "base.tar"
    export(
        layout, layout.image(artifact["digest"]), path=str(archive), kind="oci-archive", name=f"{BASE}:latest"
    )
    place.engine.run("podman", "load", "--quiet", "--input", str(archive))
    archive.unlink()
