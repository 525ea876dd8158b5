"""What sets layers apart: packages and files, by role."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.layer_report import compare_stacks, describe_stack
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore
from ansible_collections.bakery.images.plugins.module_utils.packages import layer_packages, parse_status


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    made = LayerStore(str(tmp_path / "container"))
    made.ensure()
    return made


def layer(store: LayerStore, role: str | None, files: dict[str, str], *, gone: tuple[str, ...] = ()) -> str:
    tree = Path(store.root, f"tree-{store.new_id()}")
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    tree.mkdir(exist_ok=True)
    for name in gone:
        os.mknod(tree / name, 0o020000, os.makedev(0, 0))
    for path in [tree, *tree.rglob("*")]:
        os.utime(path, (1000, 1000))
    return store.commit(str(tree), {"role": role, "epoch": 2000})


def status(**packages: str) -> dict[str, str]:
    entries = [
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
        "Description: x\n Status: y\n"
        for name, version in packages.items()
    ]
    return {"var/lib/dpkg/status": "\n".join(entries)}


def files(report: dict[str, Any]) -> dict[str, tuple[str, list[str], str]]:
    return {row["path"]: (row["change"], row["what"], row["role"]) for row in report["files"]}


def test_packages_are_told_by_the_layer_that_brought_them(store: LayerStore) -> None:
    base = layer(store, None, status(libc="1", gone="1"))
    plain = layer(store, "plain", {"etc/motd": "hello"})
    web = layer(store, "web", status(libc="2", nginx="1.2-3"))
    assert layer_packages(store, web, [base, plain]) == {
        "added": [["nginx", "1.2-3"]],
        "removed": [["gone", "1"]],
        "changed": [["libc", "1", "2"]],
    }
    assert layer_packages(store, plain, [base]) == {"added": [], "removed": [], "changed": []}
    described = describe_stack(store, [base, plain, web], files=True)
    assert [(row["name"], row["role"]) for row in described["packages"]] == [
        ("libc", "web"),
        ("nginx", "web"),
    ]
    assert {"path": "/etc/motd", "kind": "file", "size": 5} in described["layers"][1]["paths"]


def test_a_package_database_behind_a_link_is_not_read(store: LayerStore, tmp_path: Path) -> None:
    (tmp_path / "lib" / "dpkg").mkdir(parents=True)
    (tmp_path / "lib" / "dpkg" / "status").write_text(status(outside="1")["var/lib/dpkg/status"])
    tree = Path(store.root, "tree")
    (tree / "var").mkdir(parents=True)
    (tree / "var" / "lib").symlink_to(tmp_path / "lib")
    layer_id = store.commit(str(tree), {})
    assert layer_packages(store, layer_id, [])["added"] == []


def test_foreign_architectures_are_told_apart() -> None:
    text = "".join(
        f"Package: libc6\nStatus: install ok installed\nArchitecture: {arch}\nVersion: 1\n\n"
        for arch in ("amd64", "i386")
    )
    text += "Package: half\nStatus: deinstall ok config-files\nVersion: 1\n"
    assert parse_status(text.encode() + b"\xff") == {"libc6:amd64": "1", "libc6:i386": "1"}


def test_files_differ_by_role(store: LayerStore) -> None:
    base = layer(store, None, {"etc/same": "same", "etc/changed": "old", "etc/removed": "x"})
    ours = layer(store, "ours", {"only-ours": "x"})
    theirs = layer(store, "theirs", {"etc/changed": "new", "etc/added": "x"})
    os.mknod(Path(store.tree(theirs), "etc", "removed"), 0o020000, os.makedev(0, 0))
    os.utime(Path(store.tree(theirs), "etc"), (1000, 1000))
    assert files(compare_stacks(store, [base, ours], [base, theirs])) == {
        "/etc/added": ("added", [], "theirs"),
        "/etc/changed": ("changed", ["content"], "theirs"),
        "/etc/removed": ("removed", [], "theirs"),
        "/only-ours": ("removed", [], "ours"),
    }


def test_what_changed_is_named(store: LayerStore) -> None:
    names = ("mode", "owner", "size", "time", "attribute", "target", "kind")
    left, right = (layer(store, "role", dict.fromkeys(names, "x")) for _ in range(2))
    tree = Path(store.tree(right))
    (tree / "mode").chmod(0o4711)
    os.chown(tree / "owner", 1, 2)
    (tree / "size").write_text("longer")
    os.setxattr(tree / "attribute", "user.a", b"1")
    for side, target in ((left, "a"), (right, "b")):
        (Path(store.tree(side)) / "target").unlink()
        (Path(store.tree(side)) / "target").symlink_to(target)
    (tree / "kind").unlink()
    (tree / "kind").mkdir()
    for side in (left, right):
        for path in [Path(store.tree(side)), *Path(store.tree(side)).rglob("*")]:
            os.utime(path, (1000, 1000), follow_symlinks=False)
    os.utime(tree / "time", (1500, 1500))
    found = files(compare_stacks(store, [left], [right]))
    assert {path: what for path, (_, what, _) in found.items()} == {
        "/mode": ["mode"],
        "/owner": ["owner"],
        "/size": ["size", "content"],
        "/time": ["time"],
        "/attribute": ["attributes"],
        "/target": ["target"],
        "/kind": ["type"],
    }


def test_times_after_the_epoch_are_equal(store: LayerStore) -> None:
    left, right = (layer(store, "role", {"file": "x"}) for _ in range(2))
    os.utime(Path(store.tree(left), "file"), (3000, 3000))
    os.utime(Path(store.tree(right), "file"), (4000, 4000))
    assert compare_stacks(store, [left], [right])["files"] == []


def test_single_layers_are_compared_with_their_whiteouts(store: LayerStore) -> None:
    left = layer(store, "role", {"a": "x"}, gone=("z",))
    right = layer(store, "role", {"a": "x"}, gone=("b",))
    assert [
        (row["path"], row["kind"], row["change"]) for row in compare_stacks(store, [left], [right])["files"]
    ] == [
        ("/b", "whiteout", "added"),
        ("/z", "whiteout", "removed"),
    ]


def test_what_both_have_from_one_layer_is_the_same(store: LayerStore) -> None:
    base = layer(store, None, {f"usr/share/{n}": str(n) for n in range(50)})
    assert compare_stacks(store, [base], [base])["files"] == []
    other = layer(store, "role", {"usr/share/7": "7"})
    assert files(compare_stacks(store, [base], [base, other])) == {}
