"""The image layout: its index and its tags."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError, canonical_json
from ansible_collections.bakery.images.plugins.module_utils.oci_layout import OciLayout, checked_name


@pytest.fixture
def layout(tmp_path: Path) -> OciLayout:
    made = OciLayout(str(tmp_path / "oci"))
    made.ensure()
    return made


def config_of(name: str) -> dict[str, Any]:
    return {"rootfs": {"type": "layers", "diff_ids": []}, "config": {"Cmd": [name]}}


def image(layout: OciLayout, name: str) -> dict[str, Any]:
    config = layout.blobs.put(canonical_json(config_of(name)))
    inner = {"mediaType": "c", "digest": config, "size": layout.blobs.size(config)}
    manifest = layout.blobs.put(canonical_json({"config": inner, "layers": []}))
    descriptor = {"mediaType": "m", "digest": manifest, "size": layout.blobs.size(manifest)}
    layout.add(descriptor)
    return descriptor


def test_an_image_needs_no_tag(layout: OciLayout) -> None:
    descriptor = image(layout, "a")
    assert layout.descriptors() == [descriptor]
    assert layout.add(descriptor) is False
    assert layout.image(descriptor["digest"]).config == config_of("a")


def test_a_tag_moves_and_its_old_image_stays(layout: OciLayout) -> None:
    old, new = image(layout, "old"), image(layout, "new")
    assert layout.tag(old["digest"], ["web:latest", "web:1"]) == ["web:latest", "web:1"]
    assert layout.tag(new["digest"], ["web"]) == ["web:latest"]
    assert layout.names() == {"web:latest": new["digest"], "web:1": old["digest"]}
    layout.untag(["web:1"])
    assert {entry["digest"] for entry in layout.descriptors()} == {old["digest"], new["digest"]}
    assert layout.tag(new["digest"], ["web:latest"]) == []


def test_no_tag_is_there_twice(layout: OciLayout) -> None:
    for name in ("a", "b", "c", "a"):
        layout.tag(image(layout, name)["digest"], ["web:latest"])
    names = [
        entry.get("annotations", {}).get("org.opencontainers.image.ref.name")
        for entry in layout.descriptors()
    ]
    assert names.count("web:latest") == 1
    assert len({entry["digest"] for entry in layout.descriptors()}) == 3


def test_a_dropped_image_loses_all_its_tags(layout: OciLayout) -> None:
    descriptor = image(layout, "a")
    layout.tag(descriptor["digest"], ["web:latest", "web:1"])
    layout.drop({descriptor["digest"]})
    assert layout.descriptors() == []


def test_images_are_found_by_tag_digest_or_its_beginning(layout: OciLayout) -> None:
    descriptor = image(layout, "a")
    layout.tag(descriptor["digest"], ["web:latest"])
    hexadecimal = descriptor["digest"].removeprefix("sha256:")
    for reference in ("web", "web:latest", descriptor["digest"], hexadecimal, hexadecimal[:12]):
        assert layout.resolve(reference) == descriptor["digest"]
    for reference in ("wob", "", "sha256:", hexadecimal[:5], "web:1"):
        with pytest.raises(StoreError, match="tagged are: web:latest"):
            layout.resolve(reference)


def test_taggers_at_once_lose_nothing(layout: OciLayout) -> None:
    digest = image(layout, "a")["digest"]
    names = [f"web:{number}" for number in range(20)]
    threads = [threading.Thread(target=layout.tag, args=(digest, [name])) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(layout.names()) == sorted(names)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"manifests": 1}', "\x00"])
def test_a_broken_index_is_mended_from_its_copy(layout: OciLayout, content: str) -> None:
    digest = image(layout, "a")["digest"]
    layout.tag(digest, ["web:latest"])
    whole = Path(layout.index).read_bytes()
    Path(layout.index).write_text(content)
    assert layout.image("web:latest").digest == digest
    assert Path(layout.index).read_bytes() == whole


def test_a_missing_index_is_mended_from_its_copy(layout: OciLayout) -> None:
    digest = image(layout, "a")["digest"]
    layout.tag(digest, ["web:latest"])
    Path(layout.index).unlink()
    assert layout.names() == {"web:latest": digest}
    layout.ensure()
    assert Path(layout.index).exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"manifests": 1}', "\x00"])
def test_a_broken_index_with_a_broken_copy_is_a_sentence(layout: OciLayout, content: str) -> None:
    Path(layout.path, "index.json").write_text(content)
    Path(layout.path, "index.json.copy").write_text(content)
    with pytest.raises(StoreError, match=r"index\.json"):
        layout.descriptors()


def test_a_corrupt_manifest_is_a_sentence(layout: OciLayout) -> None:
    descriptor = image(layout, "a")
    Path(layout.blobs.path(descriptor["digest"])).write_text(json.dumps({"config": {}, "layers": []}))
    with pytest.raises(StoreError, match="was corrupt and is removed"):
        layout.image(descriptor["digest"])


@pytest.mark.parametrize(
    "name", ["Web", "web:", ":x", "we b", "web:la test", "-web", "web@sha256:1", "../web", "web::x", ""]
)
def test_names_that_no_engine_takes_are_refused(name: str) -> None:
    with pytest.raises(StoreError, match="cannot name an image"):
        checked_name(name)


@pytest.mark.parametrize(("name", "full"), [("web", "web:latest"), ("team/web_1.x:A-1", "team/web_1.x:A-1")])
def test_a_missing_tag_is_latest(name: str, full: str) -> None:
    assert checked_name(name) == full
