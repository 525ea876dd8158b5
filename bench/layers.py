"""What lies in bakery's store: the base, and files of a role's layer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from bench.work import Block


def find_base(home: Path) -> dict[str, Any]:
    """The record of the base that was made last."""
    records = sorted((home / "container" / "bases").glob("*.json"), key=lambda path: path.stat().st_mtime)
    record: dict[str, Any] = json.loads(records[-1].read_text())
    return record


def newest_trees(home: Path) -> dict[str, Path]:
    """The files of each role's newest layer."""
    records = (home / "container" / "layers").glob("*/layer.json")
    newest = sorted(records, key=lambda path: path.stat().st_mtime)
    return {json.loads(path.read_text()).get("role", ""): path.parent / "tree" for path in newest}


def copy_files(block: Block, tree: Path, context: Path) -> None:
    """Copy the files of ``block`` from a layer's ``tree``, links as links; what is not there is left out."""
    for name in block.files:
        source, target = tree / name.lstrip("/"), context / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        elif source.is_symlink() or source.exists():
            shutil.copy2(source, target, follow_symlinks=False)
