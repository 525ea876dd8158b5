"""Layers and images against independent readers: what podman and umoci unpack is what was baked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils import packing
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.oci_archive import export
from ansible_collections.bakery.images.plugins.module_utils.oci_image import ImageRequest, compose, layout_of
from ansible_collections.bakery.images.plugins.module_utils.oci_source import import_oci_source
from ansible_collections.bakery.images.plugins.module_utils.overlay_mount import unmount
from ansible_collections.bakery.images.plugins.module_utils.podman_images import (
    load_into_podman,
    missing_names,
)

from tests.e2e.torture import EPOCH, Census, census, write_lower, write_upper

pytestmark = pytest.mark.e2e


def run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@contextmanager
def mounted(store: LayerStore, parents: list[str], upper: Path | None = None) -> Iterator[Path]:
    """The merged overlay of the layers, with ``upper`` to write to if given."""
    where = Path(store.root, f"mount-{store.new_id()}")
    merged, work = where / "merged", where / "work"
    merged.mkdir(parents=True)
    work.mkdir()
    options = f"lowerdir={':'.join(store.lowerdirs(parents))}"
    if upper is not None:
        upper.mkdir(exist_ok=True)
        upper.chmod(0o755)
        options += f",upperdir={upper},workdir={work}"
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", f"{options},metacopy=off,redirect_dir=off", merged],
        cwd=store.root,
        check=True,
    )
    try:
        yield merged
    finally:
        subprocess.run(["umount", merged], check=True)


class Baked:
    """A store with a lower layer, the torture tree over it, and what the merged mount showed."""

    def __init__(self, root: Path) -> None:
        self.store = LayerStore(str(root))
        self.store.ensure()
        lower = root / "lower"
        lower.mkdir()
        write_lower(lower)
        low = self.store.commit(str(lower), {"created_by": "base"})
        upper = root / "upper"
        with mounted(self.store, [low], upper) as merged:
            write_upper(merged)
        self.layers = (low, self.store.commit(str(upper), {"role": "torture", "created_by": "role torture"}))
        with mounted_pair(self.store, self.layers) as merged:
            self.expected = census(merged, epoch=EPOCH)
        self.artifact, _ = compose(self.store, ImageRequest("web", self.layers, EPOCH))
        self.layout = layout_of(self.store)
        self.layout.tag(self.artifact["digest"], ["web:latest"])


@contextmanager
def mounted_pair(store: LayerStore, layers: tuple[str, ...]) -> Iterator[Path]:
    with mounted(store, list(layers)) as merged:
        yield merged


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Baked:
    return Baked(tmp_path_factory.mktemp("t") / "container")


@pytest.fixture(scope="module")
def podman_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """podman with a store and a state of its own, by environment."""
    root = tmp_path_factory.mktemp("p")
    storage = f'[storage]\ndriver = "overlay"\ngraphroot = "{root}/graph"\nrunroot = "{root}/run"\n'
    (root / "storage.conf").write_text(storage)
    (root / "containers.conf").write_text(f'[engine]\nruntime = "runc"\ntmp_dir = "{root}/tmp"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_STORAGE_CONF", str(root / "storage.conf"))
        patch.setenv("CONTAINERS_CONF", str(root / "containers.conf"))
        yield
        run("podman", "rmi", "--all", "--force")
        # `podman system reset` would do that too, and make every other podman of the host forget what runs.
        unmount(str(root))


def assert_same(found: dict[bytes, Census], expected: dict[bytes, Census]) -> None:
    assert sorted(found) == sorted(expected)
    assert {p: c for p, c in found.items() if c != expected[p]} == {
        p: c for p, c in expected.items() if c != found[p]
    }


def as_podman_keeps(expected: dict[bytes, Census]) -> dict[bytes, Census]:
    """podman makes the root directory itself, whatever a layer says of it."""
    return {path: one for path, one in expected.items() if path}


def podman_census(tree: Path) -> dict[bytes, Census]:
    return {path: one for path, one in census(tree).items() if path}


@contextmanager
def podman_mounted(image: str) -> Iterator[Path]:
    mount = run("podman", "image", "mount", image).strip()
    try:
        yield Path(mount)
    finally:
        run("podman", "image", "unmount", image)


def test_umoci_unpacks_what_was_baked(baked: Baked, tmp_path: Path) -> None:
    run("umoci", "unpack", "--image", f"{baked.layout.path}:web:latest", tmp_path / "bundle")
    assert_same(census(tmp_path / "bundle" / "rootfs"), baked.expected)


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
@pytest.mark.usefixtures("podman_store")
def test_podman_loads_what_was_baked(baked: Baked, tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "web.tar"
    export(baked.layout, baked.layout.image("web"), path=str(archive), kind=kind, name="web:latest")
    assert "localhost/web:latest" in run("podman", "load", "--input", archive)
    with podman_mounted("localhost/web:latest") as tree:
        assert_same(podman_census(tree), as_podman_keeps(baked.expected))
    run("podman", "rmi", "--all", "--force")


@pytest.mark.usefixtures("podman_store")
def test_load_names_the_image_in_podmans_store(baked: Baked) -> None:
    image = baked.layout.image("web")
    names = ["web:latest", "web:abc123"]
    assert missing_names(image, names) == names
    load_into_podman(baked.store, image, names)
    assert missing_names(image, names) == []
    tags = json.loads(
        run("podman", "image", "inspect", "--format", "{{json .RepoTags}}", "localhost/web:latest")
    )
    assert sorted(tags) == ["localhost/web:abc123", "localhost/web:latest"]
    with podman_mounted("localhost/web:abc123") as tree:
        assert_same(podman_census(tree), as_podman_keeps(baked.expected))


@pytest.mark.usefixtures("podman_store")
def test_podman_reads_zstd_layers(baked: Baked) -> None:
    artifact, _ = compose(baked.store, ImageRequest("zstd", baked.layers, EPOCH, compression="zstd"))
    image = baked.layout.image(artifact["digest"])
    assert {layer["mediaType"] for layer in image.manifest["layers"]} == {
        "application/vnd.oci.image.layer.v1.tar+zstd"
    }
    assert image.config["rootfs"] == baked.layout.image("web").config["rootfs"]
    load_into_podman(baked.store, image, ["zstd:latest"])
    with podman_mounted("localhost/zstd:latest") as tree:
        assert_same(podman_census(tree), as_podman_keeps(baked.expected))


def test_skopeo_inspects_layout_and_archives(baked: Baked, tmp_path: Path) -> None:
    by_name = json.loads(run("skopeo", "inspect", f"oci:{baked.layout.path}:web:latest"))
    assert by_name["Digest"] == baked.artifact["digest"]
    for kind in ("oci-archive", "docker-archive"):
        archive = tmp_path / f"{kind}.tar"
        export(baked.layout, baked.layout.image("web"), path=str(archive), kind=kind, name="web:latest")
        config = json.loads(run("skopeo", "inspect", "--config", f"{kind}:{archive}"))
        assert [entry["created_by"] for entry in config["history"]] == ["base", "role torture"]


PACK = """
import json, os, sys
os.umask(int(sys.argv[4], 8))
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore
from ansible_collections.bakery.images.plugins.module_utils.oci_image import ImageRequest, compose
store = LayerStore(sys.argv[1])
store.ensure()
makers = ("base", "role torture")
layers = tuple(store.commit(tree, {"created_by": by}) for tree, by in zip(sys.argv[2:4], makers))
artifact, _ = compose(store, ImageRequest("web", layers, 1700000000))
print(json.dumps([artifact["id"], artifact["digest"]]))
"""


def test_digests_are_those_of_another_host(baked: Baked, tmp_path: Path) -> None:
    """Other path, copy, umask, time zone, locale, host name, number of CPUs and inode order: same digests."""
    found = []
    for number, (umask, zone, cpus) in enumerate(
        (("077", "Asia/Tokyo", "0"), ("000", "America/Lima", "0-1"))
    ):
        place = tmp_path / f"place-{number}" / ("deep/" * number)
        place.mkdir(parents=True)
        copies = []
        for layer_id in baked.layers:
            copies.append(place / layer_id)
            run("cp", "-a", baked.store.tree(layer_id), copies[-1])
        environment = {**os.environ, "TZ": zone, "LC_ALL": "C", "PYTHONPATH": os.pathsep.join(sys.path)}
        command = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', f"host-{number}"]
        command += [
            "taskset",
            "--cpu-list",
            cpus,
            sys.executable,
            "-c",
            PACK,
            place / "store",
            *copies,
            umask,
        ]
        found.append(json.loads(subprocess.check_output(command, env=environment)))
    assert found == [[baked.artifact["id"], baked.artifact["digest"]]] * 2


def test_composing_again_changes_nothing(baked: Baked) -> None:
    index = Path(baked.layout.path, "index.json").read_bytes()
    artifact, changed = compose(baked.store, ImageRequest("web", baked.layers, EPOCH))
    assert (artifact, changed) == (baked.artifact, False)
    assert Path(baked.layout.path, "index.json").read_bytes() == index


def test_an_imported_image_is_the_one_that_was_exported(baked: Baked, tmp_path: Path) -> None:
    archive = tmp_path / "web.tar"
    for kind in ("oci-archive", "docker-archive"):
        export(baked.layout, baked.layout.image("web"), path=str(archive), kind=kind, name="web:latest")
        store = LayerStore(str(tmp_path / kind))
        base = import_oci_source(store, f"{kind}:{archive}")
        assert base["epoch"] == EPOCH
        with mounted_pair(store, tuple(base["layers"])) as merged:
            assert_same(census(merged), baked.expected)
        for ours, theirs in zip(baked.layers, base["layers"], strict=True):
            packing.verify(store, theirs)
            assert packing.tree_digest(store.tree(theirs), epoch=None) == baked.store.record(ours)["digest"]
        assert import_oci_source(store, f"{kind}:{archive}")["layers"] == base["layers"]


@pytest.mark.usefixtures("podman_store")
def test_more_than_a_hundred_layers_are_flattened(baked: Baked, tmp_path: Path) -> None:
    layers = list(baked.layers)
    for number in range(110):
        tree = Path(baked.store.root, f"many-{number}")
        tree.mkdir(mode=0o755)
        (tree / f"layer-{number}").write_text(str(number))
        os.mknod(tree / f"layer-{number - 1}", 0o020000, os.makedev(0, 0))
        layers.append(baked.store.commit(str(tree), {"created_by": f"role {number}"}))
    with mounted_pair(baked.store, tuple(layers)) as merged:
        expected = census(merged, epoch=EPOCH)
    artifact, _ = compose(baked.store, ImageRequest("many", tuple(layers), EPOCH))
    image = baked.layout.image(artifact["digest"])
    assert 80 <= len(image.manifest["layers"]) <= 100
    load_into_podman(baked.store, image, ["many:latest"])
    with podman_mounted("localhost/many:latest") as tree:
        assert_same(podman_census(tree), as_podman_keeps(expected))


def test_a_corrupt_blob_is_packed_again_and_a_corrupt_tree_refused(tmp_path: Path) -> None:
    store = LayerStore(str(tmp_path / "container"))
    store.ensure()
    tree = tmp_path / "container" / "tree"
    tree.mkdir()
    (tree / "file").write_text("content")
    layer_id = store.commit(str(tree), {})
    packed = packing.pack(store, layer_id, epoch=EPOCH)
    blob = Path(packing.blobs_of(store).path(packed["blob"]["digest"]))
    good = blob.read_bytes()
    blob.write_bytes(good[:-1] + b"!")
    assert packing.pack(store, layer_id, epoch=EPOCH) == packed
    assert blob.read_bytes() == good
    Path(store.tree(layer_id), "file").write_text("CONTENT")
    with pytest.raises(StoreError, match="is corrupt: its tree"):
        packing.verify(store, layer_id)
    blob.unlink()
    with pytest.raises(StoreError, match="is corrupt: its tree"):
        packing.pack(store, layer_id, epoch=EPOCH)
