"""Pruning removes what nobody needs and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.oci_image import ImageRequest, compose, layout_of
from ansible_collections.bakery.images.plugins.module_utils.owner import own_namespace
from ansible_collections.bakery.images.plugins.module_utils.pruning import (
    Garbage,
    Keep,
    find_garbage,
    remove_garbage,
)
from ansible_collections.bakery.images.plugins.module_utils.unfinished import unfinished_name

NOTHING: frozenset[str] = frozenset()


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    made = LayerStore(str(tmp_path / "container"))
    made.ensure()
    return made


def layer(store: LayerStore, name: str) -> str:
    tree = Path(store.root, f"tree-{name}")
    tree.mkdir()
    (tree / name).write_text(name * 1000)
    return store.commit(str(tree), {})


def image(store: LayerStore, name: str, *layers: str) -> str:
    artifact, _ = compose(store, ImageRequest(name, layers, 1000))
    layout_of(store).tag(artifact["digest"], [f"{name}:latest"])
    return str(artifact["digest"])


def document(store: LayerStore, path: str, content: object) -> None:
    file = Path(store.root, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def prune(store: LayerStore, *, layers: set[str] = frozenset(), images: set[str] = frozenset()) -> Garbage:  # type: ignore[assignment]
    garbage = find_garbage(store, Keep(frozenset(layers), frozenset(images), NOTHING))
    remove_garbage(store, garbage)
    return garbage


def test_what_is_kept_stays_whole(store: LayerStore) -> None:
    base, ours, theirs = (layer(store, name) for name in ("base", "ours", "theirs"))
    kept, gone = image(store, "kept", base, ours), image(store, "gone", base, theirs)
    garbage = prune(store, layers={base, ours}, images={kept})
    assert (garbage.layers, garbage.images) == ([theirs], [gone])
    assert garbage.bytes > 0
    assert store.ids() == sorted([base, ours])
    layout = layout_of(store)
    assert layout.names() == {"kept:latest": kept}
    assert all(layout.blobs.is_intact(digest) for digest in layout.image(kept).blobs)
    assert len(layout.blobs.digests()) == 4
    assert not find_garbage(store, Keep(frozenset({base, ours}), frozenset({kept}), NOTHING))


def test_finding_garbage_removes_nothing(store: LayerStore) -> None:
    layer_id = layer(store, "a")
    image(store, "a", layer_id)
    assert find_garbage(store, Keep(NOTHING, NOTHING, NOTHING)).layers == [layer_id]
    assert store.ids() == [layer_id]
    assert layout_of(store).names() != {}


def test_layers_under_a_machine_or_a_failed_bake_stay(store: LayerStore) -> None:
    under, failed, other = (layer(store, name) for name in ("under", "failed", "other"))
    document(store, "machines/web-1/machine.json", {"id": "web-1", "parents": [under]})
    document(store, "failed/web/layer.json", {"parents": [failed]})
    assert prune(store).layers == [other]
    assert store.ids() == sorted([under, failed])


@pytest.mark.parametrize("kept_by", ["debian", "sha256:1", "key"])
def test_a_kept_base_keeps_its_layers(store: LayerStore, kept_by: str) -> None:
    mine, old = layer(store, "mine"), layer(store, "old")
    document(store, "bases/key.json", {"name": "debian", "digest": "sha256:1", "layers": [{"id": mine}]})
    document(store, "bases/old.json", {"name": "older", "digest": "sha256:2", "layers": [{"id": old}]})
    garbage = find_garbage(store, Keep(NOTHING, NOTHING, frozenset({kept_by})))
    remove_garbage(store, garbage)
    assert store.ids() == [mine]
    assert [path.name for path in Path(store.root, "bases").iterdir()] == ["key.json"]


def test_a_journal_that_cannot_be_read_stops_the_prune(store: LayerStore) -> None:
    layer(store, "a")
    document(store, "machines/web-1/machine.json", {})
    Path(store.root, "machines/web-1/machine.json").write_text("{")
    with pytest.raises(StoreError, match="run the sweep before pruning"):
        prune(store)
    assert len(store.ids()) == 1


def test_what_is_young_may_be_granted_grace(store: LayerStore) -> None:
    image(store, "a", layer(store, "a"))
    garbage = find_garbage(store, Keep(NOTHING, NOTHING, NOTHING, grace_s=3600))
    assert (garbage.layers, garbage.blobs) == ([], [])


def test_blobs_of_dead_writers_go_and_of_living_ones_stay(store: LayerStore) -> None:
    layout = layout_of(store)
    layout.ensure()
    dead = Path(layout.blobs.directory, f"4194999-1-{own_namespace()}.0123abcd.partial")
    alive = Path(layout.blobs.directory, unfinished_name())
    for path in (dead, alive):
        path.write_text("half")
    assert prune(store).leftovers == [str(dead)]
    assert alive.exists()


def test_an_empty_store_has_nothing_to_prune(store: LayerStore) -> None:
    assert not prune(store)


def test_packed_modules_go_when_they_are_old_enough(store: LayerStore) -> None:
    packed = Path(store.root, "payloads", "core", "ansible.modules.ping-ZIP_DEFLATED-none")
    packed.parent.mkdir(parents=True)
    packed.write_bytes(b"packed")
    young = find_garbage(store, Keep(NOTHING, NOTHING, NOTHING, grace_s=3600))
    assert not young
    prune(store)
    assert not packed.exists()


@pytest.mark.parametrize("content", [[1], "x", None, {"parents": [[]]}, {"parents": [None]}])
def test_machine_whose_journal_is_damaged_keeps_everything(store: LayerStore, content: object) -> None:
    document(store, "machines/m/machine.json", content)
    with pytest.raises(StoreError, match="run the sweep before pruning"):
        prune(store)
