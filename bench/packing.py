"""From files to an image, step by step, against the tools that do parts of it or all of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore
from ansible_collections.bakery.images.plugins.module_utils.oci_archive import export
from ansible_collections.bakery.images.plugins.module_utils.oci_image import (
    ImageRequest,
    compose,
    layout_of,
)

from bench.timing import Timing, compete

# Programs, libraries and texts that every Debian system has, such as a role would install.
SOURCES = ("/usr/lib/x86_64-linux-gnu", "/usr/bin", "/usr/share/doc", "/usr/share/zoneinfo")
MEBIBYTES = 400
ROUNDS = 3
NAME = "localhost/bakery-bench"
BY_HAND = "tar | sha256sum, then tar | zstd -1"


def measure() -> tuple[Timing, ...]:
    parent = os.environ.get("BAKERY_BENCH_DIR")
    with tempfile.TemporaryDirectory(prefix="bakery-bench-", dir=parent) as name:
        bench = Bench(Path(name))
        _copy_files(bench.tree)
        container = _run("buildah", "from", "scratch").strip()
        try:
            _run("buildah", "copy", "--quiet", container, str(bench.tree), "/")
            competitors: dict[str, Callable[[], object]] = {
                BY_HAND: bench.by_hand,
                "bakery: freeze": bench.freeze,
                "bakery: freeze, pack, export (gzip)": lambda: bench.export("gzip"),
                "bakery: freeze, pack, export (zstd)": lambda: bench.export("zstd"),
                "buildah commit": lambda: _run("buildah", "commit", "--quiet", container, NAME),
                "podman save": bench.save,
            }
            task = f"{MEBIBYTES} MiB of files to an image"
            return compete(task, competitors, rounds=ROUNDS, against=BY_HAND, prepare=bench.reset)
        finally:
            subprocess.run(["buildah", "rm", container], check=False, capture_output=True)
            subprocess.run(["podman", "rmi", "--force", NAME], check=False, capture_output=True)


@dataclass(frozen=True)
class Bench:
    """One tree of files that every competitor works on, in a directory of its own."""

    directory: Path

    @property
    def tree(self) -> Path:
        return self.directory / "tree"

    @property
    def archive(self) -> Path:
        return self.directory / "archive.tar"

    @property
    def store(self) -> LayerStore:
        return LayerStore(str(self.directory / "store"))

    def reset(self) -> None:
        """The tree back in its place, the store new and empty, no archive: nothing is done already."""
        for layer_id in self.store.ids():
            Path(self.store.tree(layer_id)).rename(self.tree)
        shutil.rmtree(self.store.root, ignore_errors=True)
        self.archive.unlink(missing_ok=True)
        self.store.ensure()

    def freeze(self) -> str:
        return self.store.commit(str(self.tree), {"parents": [], "epoch": None})

    def export(self, compression: str) -> None:
        request = ImageRequest("bench", (self.freeze(),), epoch=0, compression=compression)
        artifact, _ = compose(self.store, request)
        layout = layout_of(self.store)
        image = layout.image(artifact["digest"])
        export(layout, image, path=str(self.archive), kind="oci-archive", name="bench:latest")

    def by_hand(self) -> None:
        _run("sh", "-c", 'tar -C "$1" -cf - . | sha256sum', "sh", str(self.tree))
        squeeze = 'tar -C "$1" -cf - . | zstd -1 -q -f -o "$2"'
        _run("sh", "-c", squeeze, "sh", str(self.tree), str(self.archive))

    def save(self) -> None:
        _run("podman", "save", "--quiet", "--format", "oci-archive", "--output", str(self.archive), NAME)


def _copy_files(target: Path) -> None:
    """Copy files of this host until there are enough."""
    left = MEBIBYTES << 20
    for source in SOURCES:
        for path in sorted(Path(source).rglob("*")):
            if left <= 0:
                return
            if path.is_file() and not path.is_symlink():
                copy = target / path.relative_to("/")
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, copy)
                left -= path.stat().st_size


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
