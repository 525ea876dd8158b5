"""Packing one layer, against the tools that do parts of it or all of it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from ansible_collections.bakery.images.plugins.module_utils.blob_store import BlobStore
from ansible_collections.bakery.images.plugins.module_utils.packing import pack_trees

from bench.timing import Timing, compete

# Programs, libraries and texts that every Debian system has, such as a role would install.
SOURCES = ("/usr/lib/x86_64-linux-gnu", "/usr/bin", "/usr/share/doc", "/usr/share/zoneinfo")
MEBIBYTES = 400


def measure() -> tuple[Timing, ...]:
    with tempfile.TemporaryDirectory(prefix="bakery-bench-") as name:
        directory = Path(name)
        tree = _tree(directory / "tree")
        competitors: dict[str, Callable[[], object]] = {
            "bakery, gzip": lambda: _pack(tree, directory / "gzip", "gzip"),
            "bakery, zstd": lambda: _pack(tree, directory / "zstd", "zstd"),
            "tar | sha256sum, then zstd -1": lambda: _by_hand(tree, directory),
        }
        timings = compete("pack a layer", competitors, rounds=3)
        return timings + _engines(tree, directory)


def _engines(tree: Path, directory: Path) -> tuple[Timing, ...]:
    """What engines take for an image with the same files as its only layer."""
    name = "localhost/bakery-bench"
    archive = directory / "saved.tar"
    images: set[str] = set()
    work = _run("buildah", "from", "scratch").strip()

    def commit() -> None:
        images.add(_run("buildah", "commit", "--quiet", work, name).strip())

    def save() -> None:
        archive.unlink(missing_ok=True)
        _run("podman", "save", "--quiet", "--format", "oci-archive", "--output", str(archive), name)

    try:
        _run("buildah", "copy", "--quiet", work, str(tree), "/")
        return compete("make an image of it", {"buildah commit": commit, "podman save": save}, rounds=3)
    finally:
        subprocess.run(["buildah", "rm", work], check=False, capture_output=True)
        subprocess.run(["podman", "rmi", "--force", *images], check=False, capture_output=True)


def _tree(target: Path) -> Path:
    """Copy files of this host until there are enough."""
    left = MEBIBYTES << 20
    for source in SOURCES:
        for path in sorted(Path(source).rglob("*")):
            if left <= 0:
                return target
            if path.is_file() and not path.is_symlink():
                copy = target / path.relative_to("/")
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, copy)
                left -= path.stat().st_size
    return target


def _pack(tree: Path, layout: Path, compression: str) -> None:
    # Anew each round: a blob that exists would not be written again.
    shutil.rmtree(layout, ignore_errors=True)
    layout.mkdir()
    pack_trees([str(tree)], BlobStore(str(layout)), epoch=None, compression=compression)


def _by_hand(tree: Path, directory: Path) -> None:
    blob = directory / "by-hand.zst"
    _run("sh", "-c", 'tar -C "$1" -cf - . | sha256sum', "sh", str(tree))
    _run("sh", "-c", 'tar -C "$1" -cf - . | zstd -1 -q -f -o "$2"', "sh", str(tree), str(blob))


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
