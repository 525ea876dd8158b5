"""Bases from OCI sources: layouts, archives, a registry; good ones, wrong ones and broken ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils import packing
from ansible_collections.bakery.images.plugins.module_utils.blob_store import sha256
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    LayerStore,
    StoreError,
    canonical_json,
)
from ansible_collections.bakery.images.plugins.module_utils.oci_image import ImageRequest, compose, layout_of
from ansible_collections.bakery.images.plugins.module_utils.oci_layout import MANIFEST_TYPE, OciLayout
from ansible_collections.bakery.images.plugins.module_utils.oci_source import import_oci_source

pytestmark = pytest.mark.e2e
CONFIG = {"Env": ["A=1"], "Cmd": ["sh"]}


@pytest.fixture
def layout(tmp_path: Path) -> OciLayout:
    """A layout with the image web:latest of two layers."""
    store = LayerStore(str(tmp_path / "source"))
    store.ensure()
    layers = []
    for name in ("base", "role"):
        tree = Path(store.root, name)
        tree.mkdir(mode=0o755)
        (tree / name).write_text(name)
        layers.append(store.commit(str(tree), {"created_by": name}))
    for number, kind in enumerate(("zstd", "gzip")):
        packing.pack(store, layers[number], epoch=1000, compression=kind)
    artifact, _ = compose(
        store, ImageRequest("web", tuple(layers), 1000, base_config=CONFIG, compression="zstd")
    )
    layout_of(store).tag(artifact["digest"], ["web:latest"])
    return layout_of(store)


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(str(tmp_path / "container"))


@pytest.fixture
def registry(layout: OciLayout) -> Iterator[str]:
    """host:port of a plain-http registry (distribution-spec, pull only) that serves the layout."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            reference = self.path.rpartition("/")[2]
            if "/manifests/" in self.path:
                reference = layout.names().get(f"web:{reference}", reference)
            known = reference in layout.blobs.digests()
            body = Path(layout.blobs.path(reference)).read_bytes() if known else b"{}"
            self.send_response(200 if known or self.path == "/v2/" else 404)
            self.send_header(
                "Content-Type", MANIFEST_TYPE if "/manifests/" in self.path else "application/json"
            )
            self.send_header("Docker-Content-Digest", reference)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815  (the name that http.server calls)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_registrys_tag_is_resolved_to_a_digest(registry: str, layout: OciLayout, store: LayerStore) -> None:
    base = import_oci_source(store, f"docker://{registry}/web:latest")
    digest = layout.names()["web:latest"]
    assert base["resolved"] == f"docker://{registry}/web@{digest}"
    assert (base["config"], base["epoch"], base["systemd"]) == (CONFIG, 1000, False)
    again = import_oci_source(store, base["resolved"])
    assert (again["layers"], again["digest"], again["resolved"]) == (
        base["layers"],
        base["digest"],
        base["resolved"],
    )


def test_an_unknown_tag_is_a_sentence(registry: str, store: LayerStore) -> None:
    with pytest.raises(StoreError, match=f"cannot get docker://{registry}/web:nope"):
        import_oci_source(store, f"docker://{registry}/web:nope")
    assert list(Path(store.root).glob("*.partial")) == []


def test_an_unreachable_registry_is_a_sentence(store: LayerStore) -> None:
    with pytest.raises(StoreError, match="connection refused"):
        import_oci_source(store, "docker://127.0.0.1:1/web:latest")


@pytest.mark.parametrize("reference", ["web", "web:latest"])
def test_layers_come_from_a_layout_and_keep_their_blobs(
    layout: OciLayout, store: LayerStore, reference: str
) -> None:
    base = import_oci_source(store, f"oci:{layout.path}:{reference}")
    assert base["resolved"] == f"oci:{layout.path}@{layout.names()['web:latest']}"
    assert import_oci_source(store, base["resolved"])["layers"] == base["layers"]
    records = [store.record(layer_id) for layer_id in base["layers"]]
    assert [record["created_by"] for record in records] == ["base", "role"]
    artifact, _ = compose(
        store, ImageRequest("on-top", tuple(base["layers"]), 2000, base_config=base["config"])
    )
    ours = layout_of(store).image(artifact["digest"])
    # What is decoded of our own is all that is in it.
    assert canonical_json(ours.config) == layout_of(store).blobs.read(ours.config_digest)
    theirs = {layer["digest"] for layer in layout.image("web").manifest["layers"]}
    assert theirs == {layer["digest"] for layer in ours.manifest["layers"]}


def test_only_digests_that_fit_are_taken(layout: OciLayout, store: LayerStore) -> None:
    blob = Path(layout.blobs.path(layout.image("web").manifest["layers"][1]["digest"]))
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    with pytest.raises(StoreError, match="is corrupt at its source"):
        import_oci_source(store, f"oci:{layout.path}:web")
    assert len(store.ids()) == 1
    assert packing.blobs_of(store).stale() == store.stale() == []


def change_config(layout: OciLayout, **fields: object) -> None:
    """Let web:latest have another config, all digests but those inside it right."""
    image = layout.image("web")
    config = layout.blobs.put(canonical_json({**image.config, **fields}))
    descriptor = {**image.manifest["config"], "digest": config, "size": layout.blobs.size(config)}
    manifest = layout.blobs.put(canonical_json({**image.manifest, "config": descriptor}))
    layout.add({**image.descriptor, "digest": manifest, "size": layout.blobs.size(manifest)})
    layout.tag(manifest, ["web:latest"])


def test_a_layer_twice_in_an_image_is_two_layers(layout: OciLayout, store: LayerStore) -> None:
    image = layout.image("web")
    twice = image.manifest["layers"] * 2
    diff_ids = image.config["rootfs"]["diff_ids"] * 2
    config = layout.blobs.put(
        canonical_json({**image.config, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    )
    descriptor = {**image.manifest["config"], "digest": config, "size": layout.blobs.size(config)}
    manifest = layout.blobs.put(canonical_json({**image.manifest, "config": descriptor, "layers": twice}))
    layout.add({**image.descriptor, "digest": manifest, "size": layout.blobs.size(manifest)})
    layout.tag(manifest, ["twice:latest"])
    base = import_oci_source(store, f"oci:{layout.path}:twice")
    assert len(set(base["layers"])) == 4
    assert set(import_oci_source(store, f"oci:{layout.path}:twice")["layers"]) == set(base["layers"])


def test_a_wrong_diff_id_is_refused(layout: OciLayout, store: LayerStore) -> None:
    good = layout.image("web").config["rootfs"]["diff_ids"]
    change_config(layout, rootfs={"type": "layers", "diff_ids": [good[0], "sha256:" + "0" * 64]})
    with pytest.raises(StoreError, match=r"unpacks to sha256:[0-9a-f]+, but the image says sha256:0"):
        import_oci_source(store, f"oci:{layout.path}:web")
    assert len(store.ids()) == 1


def test_a_foreign_architecture_is_a_sentence(layout: OciLayout, store: LayerStore) -> None:
    change_config(layout, architecture="s390x")
    with pytest.raises(StoreError, match=r"is an image for linux/s390x, but this host is linux/"):
        import_oci_source(store, f"oci:{layout.path}:web:latest")


def test_an_index_gives_the_image_of_this_host(layout: OciLayout, store: LayerStore) -> None:
    image = layout.image("web")
    other = {
        **image.descriptor,
        "platform": {"os": "linux", "architecture": "s390x"},
        "digest": "sha256:" + "1" * 64,
    }
    index = canonical_json({"schemaVersion": 2, "manifests": [other, image.descriptor]})
    descriptor = {
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": layout.blobs.put(index),
        "size": len(index),
    }
    Path(layout.path, "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
    base = import_oci_source(store, f"oci:{layout.path}")
    assert base["resolved"] == f"oci:{layout.path}@{descriptor['digest']}"
    assert import_oci_source(store, base["resolved"])["digest"] == base["digest"]
    assert base["digest"] == sha256(
        canonical_json({"config": CONFIG, "diff_ids": image.config["rootfs"]["diff_ids"]})
    )


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("web", "is not an image source; write docker://"),
        ("docker:web", "is not an image source"),
        ("oci:", "is not an image source"),
        ("oci:/nowhere", "is not an OCI image layout"),
        ("oci-archive:/nowhere", "cannot read /nowhere: No such file"),
        ("docker-archive:/nowhere", "cannot read /nowhere"),
        ("oci-archive:/etc/passwd", "/etc/passwd is not a valid tar archive"),
        ("docker-archive:/etc/passwd", "cannot get docker-archive:/etc/passwd"),
        ("oci:{layout}:nope", "no image 'nope'; its tags are: web:latest"),
    ],
)
def test_wrong_references_are_sentences(
    layout: OciLayout, store: LayerStore, reference: str, message: str
) -> None:
    with pytest.raises(StoreError, match=message):
        import_oci_source(store, reference.format(layout=layout.path))
