"""The layer store: whole layers only, whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    LayerCorrupt,
    LayerStore,
    StoreError,
)


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    made = LayerStore(str(tmp_path / "container"))
    made.ensure()
    return made


def upper(store: LayerStore, **files: str) -> str:
    path = Path(store.root) / f"upper-{store.new_id()}"
    path.mkdir()
    for name, content in files.items():
        (path / name).write_text(content)
    return str(path)


def test_freeze_is_a_rename(store: LayerStore) -> None:
    tree = upper(store, hello="world")
    inode = Path(tree).stat().st_ino
    layer_id = store.commit(tree, {"role": "web"})
    assert Path(store.tree(layer_id)).stat().st_ino == inode
    assert not Path(tree).exists()
    assert store.record(layer_id)["role"] == "web"
    assert store.stale() == []


def test_lowerdirs_are_short_and_highest_first(store: LayerStore) -> None:
    low, high = (store.commit(upper(store, name=name), {}) for name in ("low", "high"))
    paths = store.lowerdirs([low, high])
    contents = [(Path(store.root) / path / "name").read_text() for path in paths]
    assert contents == ["high", "low"]
    assert all(len(path) <= 8 for path in paths)


def test_a_layer_that_occurs_twice_is_mounted_once_and_on_top(store: LayerStore) -> None:
    """The kernel refuses a directory twice in one overlay."""
    same, other = (store.commit(upper(store, name=name), {}) for name in ("same", "other"))
    paths = store.lowerdirs([same, other, same])
    assert [(Path(store.root) / path / "name").read_text() for path in paths] == ["same", "other"]


def test_a_spoilt_layer_is_used_by_nobody(store: LayerStore) -> None:
    layer_id = store.commit(upper(store), {})
    error = store.spoil(layer_id, "its tree has another digest")
    assert error.layer_id == layer_id
    assert not store.exists(layer_id)
    for use in (store.record, lambda one: store.lowerdirs([one])):
        with pytest.raises(LayerCorrupt, match="is corrupt: its tree has another digest; bake it again"):
            use(layer_id)
    store.remove(layer_id)


def test_a_layer_without_its_tree_or_record_is_no_layer(store: LayerStore) -> None:
    treeless, recordless = (store.commit(upper(store), {}) for _ in range(2))
    Path(store.tree(treeless)).rmdir()
    (Path(store.path(recordless)) / "layer.json").unlink()
    for layer_id in (treeless, recordless):
        assert not store.exists(layer_id)
        with pytest.raises(LayerCorrupt, match="bake it again") as caught:
            store.lowerdirs([layer_id])
        assert caught.value.layer_id == layer_id


def test_equal_prefixes_get_longer_links(store: LayerStore) -> None:
    ids = ["abcdef0000000000", "abcdef0000000001", "abcdef1000000000"]
    for layer_id in ids:
        store.commit(upper(store, name=layer_id), {}, layer_id=layer_id)
    texts = [(Path(store.root) / path / "name").read_text() for path in store.lowerdirs(ids)]
    assert texts == ids[::-1]


def test_a_link_lost_by_a_crash_is_made_again(store: LayerStore) -> None:
    layer_id = store.commit(upper(store), {})
    (Path(store.root) / store.lowerdirs([layer_id])[0]).unlink()
    assert (Path(store.root) / store.lowerdirs([layer_id])[0]).is_dir()


def test_update_record_keeps_the_other_fields(store: LayerStore) -> None:
    layer_id = store.commit(upper(store), {"role": "web"})
    store.update_record(layer_id, digest="sha256:1")
    assert store.record(layer_id) == {"role": "web", "digest": "sha256:1", "id": layer_id, "format": 1}


def test_a_missing_layer_is_a_sentence(store: LayerStore) -> None:
    with pytest.raises(StoreError, match="layer 0123456789abcdef is not in the store"):
        store.tree("0123456789abcdef")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "0"}', "\x00"])
def test_a_corrupt_record_is_a_sentence(store: LayerStore, content: str) -> None:
    layer_id = store.commit(upper(store), {})
    (Path(store.path(layer_id)) / "layer.json").write_text(content)
    with pytest.raises(StoreError, match=r"layer\.json"):
        store.record(layer_id)


@pytest.mark.parametrize("name", ["", "..", "../../etc", "ABCDEF0123456789", "01234", "0123456789abcdef\n"])
def test_only_layer_ids_reach_the_file_system(store: LayerStore, name: str) -> None:
    with pytest.raises(StoreError, match="is not a layer id"):
        store.path(name)


def test_an_interrupted_commit_is_stale_and_no_layer(store: LayerStore) -> None:
    with pytest.raises(StoreError, match="cannot freeze"):
        store.commit(f"{store.root}/no-such-tree", {})
    assert store.ids() == []
    assert len(store.stale()) == 1


def test_remove_takes_layer_and_link(store: LayerStore) -> None:
    layer_id = store.commit(upper(store, a="b"), {})
    store.remove(layer_id)
    assert store.ids() == store.stale() == list(Path(store.links).iterdir()) == []
    with pytest.raises(StoreError, match="not in the store"):
        store.remove(layer_id)
