"""From files to an image, step by step, against the tools that do parts of it or all of it."""

from __future__ import annotations

import shutil
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

from bench import children
from bench.peers.peer import Place
from bench.progress import Progress
from bench.timing import Timing, compete

# Programs, libraries and texts that every Debian system has, such as a role would install.
SOURCES = ("/usr/lib/x86_64-linux-gnu", "/usr/bin", "/usr/lib", "/usr/share")
MEGABYTES = 500
TASK = f"{MEGABYTES} MB of files to an image"
BY_HAND = "tar, sha256sum and zstd -1 in one pass"
FREEZE = "bakery: freeze"
EXPORT = "bakery: freeze, pack, export (zstd)"
EXPORT_GZIP = "bakery: freeze, pack, export (gzip)"


@dataclass(frozen=True)
class Packing:
    """One tree of files that every competitor works on, in a directory of its own."""

    place: Place
    rounds: int

    @property
    def directory(self) -> Path:
        return self.place.directory / "packing"

    @property
    def tree(self) -> Path:
        return self.directory / "tree"

    @property
    def archive(self) -> Path:
        return self.directory / "archive.tar"

    @property
    def store(self) -> LayerStore:
        return LayerStore(str(self.directory / "store"))

    def steps(self) -> list[str]:
        return [TASK]

    def run(self, progress: Progress) -> tuple[Timing, ...]:
        engine = self.place.engine
        image = self.place.image("packing")
        with progress.step(TASK):
            _copy_files(self.tree)
            container = engine.run("buildah", "from", "scratch").splitlines()[-1]
            engine.run("buildah", "copy", "--quiet", container, str(self.tree), "/")
            competitors: dict[str, Callable[[], object]] = {
                BY_HAND: self._by_hand,
                FREEZE: self._freeze,
                EXPORT_GZIP: lambda: self._export("gzip"),
                EXPORT: lambda: self._export("zstd"),
                "buildah commit": lambda: engine.run("buildah", "commit", "--quiet", container, image),
                "podman save": lambda: engine.run(
                    *("podman", "save", "--quiet", "--format=oci-archive"), f"--output={self.archive}", image
                ),
            }
            return compete(TASK, competitors, rounds=self.rounds, prepare=self._reset)

    def _reset(self) -> None:
        """The tree back in its place, the store new and empty, no archive: nothing is done already."""
        for layer_id in self.store.ids():
            Path(self.store.tree(layer_id)).rename(self.tree)
        shutil.rmtree(self.store.root, ignore_errors=True)
        self.archive.unlink(missing_ok=True)
        self.store.ensure()

    def _freeze(self) -> str:
        return self.store.commit(str(self.tree), {"parents": [], "epoch": None})

    def _export(self, compression: str) -> None:
        request = ImageRequest("bench", (self._freeze(),), epoch=0, compression=compression)
        artifact, _ = compose(self.store, request)
        layout = layout_of(self.store)
        image = layout.image(artifact["digest"])
        export(layout, image, path=str(self.archive), kind="oci-archive", name="bench:latest")

    def _by_hand(self) -> None:
        """Both digests of a layer, of the tar and of what is stored, as an image needs them."""
        script = 'tar -C "$1" -cf - . | tee >(sha256sum) | zstd -1 -q | tee >(sha256sum) >"$2"'
        words: list[str | Path] = ["bash", "-c", script, "bash", self.tree, self.archive]
        children.run(words, log=self.place.log("packing"))


def _copy_files(target: Path) -> None:
    """Copy files of this host until there are enough."""
    left = MEGABYTES * 1_000_000
    seen: set[Path] = set()
    for source in SOURCES:
        for path in sorted(Path(source).rglob("*")):
            if left <= 0:
                return
            if path in seen or path.is_symlink() or not path.is_file():
                continue
            seen.add(path)
            copy = target / path.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
            left -= path.stat().st_size
