"""The module container_machine: in check mode it tells what it would do and writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.oci_image import ImageRequest, compose, layout_of
from ansible_collections.bakery.images.plugins.modules.container_machine import ensure

LAYER = "0123456789abcdef"
DEFAULTS: dict[str, Any] = {
    "id": "m",
    "state": "started",
    "parents": [],
    "epoch": 0,
    "apt_scope": "",
    "apt_max_age": 1,
    "image": None,
    "read_all": True,
    "settle_s": 0.5,
    "kept": "",
    "keep_as": None,
    "owner": None,
    "ttl_s": 10,
}


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    made = LayerStore(str(tmp_path / "container"))
    made.ensure()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_text("content")
    made.commit(str(tree), {}, layer_id=LAYER)
    return made


def everything(home: Path) -> dict[str, tuple[int, int, int]]:
    """Each path with its inode, change time and size."""
    return {
        str(path): (status.st_ino, status.st_ctime_ns, status.st_size)
        for path in (home, *home.rglob("*"))
        for status in (path.lstat(),)
    }


def check(home: Path, **params: Any) -> dict[str, Any]:
    return ensure({**DEFAULTS, "home": str(home), **params}, apply=False)


def test_check_mode_writes_nothing_for_layers(tmp_path: Path, store: LayerStore) -> None:
    for path in Path(store.links).iterdir():  # as after a crash that lost them: a launch would make them
        path.unlink()
    before = everything(tmp_path)
    assert check(tmp_path, parents=[LAYER]) == {"changed": True}
    assert everything(tmp_path) == before


@pytest.mark.parametrize("damaged", [False, True])
def test_check_mode_neither_imports_nor_removes_anything_of_an_image(
    tmp_path: Path, store: LayerStore, damaged: bool
) -> None:
    artifact, _ = compose(store, ImageRequest("web", (LAYER,), 1000))
    layout = layout_of(store)
    layout.tag(artifact["digest"], ["web:latest"])
    store.remove(LAYER)  # the image has it as a blob alone, as if its layers had been flattened
    if damaged:
        for path in Path(layout.blobs.directory).iterdir():
            path.write_bytes(b"damaged")
    before = everything(tmp_path)
    assert check(tmp_path, image="web") == {"changed": True}
    assert everything(tmp_path) == before


def test_check_mode_tells_what_is_missing(tmp_path: Path, store: LayerStore) -> None:
    before = everything(tmp_path)
    with pytest.raises(StoreError, match="is not in the store"):
        check(tmp_path, parents=["f" * 16])
    with pytest.raises(StoreError, match="is not in the image store"):
        check(tmp_path, image="web")
    with pytest.raises(MachineFailure, match="nothing is kept"):
        check(tmp_path, parents=[LAYER], kept="web-container")
    with pytest.raises(MachineFailure, match="no layer to stand on"):
        check(tmp_path)
    assert everything(tmp_path) == before


def test_check_mode_in_an_empty_home_makes_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        check(tmp_path / "home", parents=[LAYER])
    assert check(tmp_path / "home", state="absent") == {"changed": False}
    assert list(tmp_path.iterdir()) == []
