from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.errors import InputError
from bakery.load.digests import digest_collections, digest_path
from bakery.load.file_tree import read_tree
from tests.unit.load.conftest import Write

Change = Callable[[Path], object]


@pytest.fixture
def tree(write: Write, root: Path) -> Path:
    write("tree/a.txt", "a")
    write("tree/sub/b.txt", "b")
    (root / "tree/inner").symlink_to("sub/b.txt")
    return root / "tree"


CHANGES: dict[str, Change] = {
    "bytes": lambda tree: (tree / "a.txt").write_text("A"),
    "name": lambda tree: (tree / "a.txt").rename(tree / "c.txt"),
    "place": lambda tree: (tree / "a.txt").rename(tree / "sub/a.txt"),
    "execute bit": lambda tree: (tree / "a.txt").chmod(0o755),
    "new file": lambda tree: (tree / "new").write_text(""),
    "removed file": lambda tree: (tree / "a.txt").unlink(),
    "link's target": lambda tree: ((tree / "inner").unlink(), (tree / "inner").symlink_to("a.txt")),
    "link instead of file": lambda tree: (
        (tree / "a.txt").unlink(),
        (tree / "a.txt").symlink_to("sub/b.txt"),
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_digest_changes_with(change: Change, tree: Path) -> None:
    before = digest_path(tree)
    change(tree)
    assert digest_path(tree) != before


SAME: dict[str, Change] = {
    "time": lambda tree: os.utime(tree / "a.txt", (1, 1)),
    "umask": lambda tree: (tree / "a.txt").chmod(0o640),
    "group's execute bit": lambda tree: (tree / "a.txt").chmod(0o654),
    "empty directory": lambda tree: (tree / "empty/deeper").mkdir(parents=True),
    "caches": lambda tree: (
        (tree / "__pycache__").mkdir(),
        (tree / "__pycache__/x.cpython-311.pyc").write_text(""),
        (tree / "x.pyc").write_text(""),
        (tree / "a.txt~").write_text(""),
        (tree / ".a.txt.swp").write_text(""),
        (tree / ".#a.txt").symlink_to("someone@somewhere.1"),
        (tree / "#a.txt#").write_text(""),
    ),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME.keys())
def test_a_digest_does_not_change_with(change: Change, tree: Path) -> None:
    before = digest_path(tree)
    change(tree)
    assert digest_path(tree) == before


def test_a_copy_elsewhere_has_the_same_digest(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = tmp_path_factory.mktemp("other") / "named-differently"
    shutil.copytree(tree, copy, symlinks=True)
    assert digest_path(copy) == digest_path(tree)


def test_a_link_to_a_tree_has_its_digest(tree: Path, root: Path) -> None:
    (root / "link").symlink_to("tree")
    assert digest_path(root / "link") == digest_path(tree)


def test_a_file_has_a_digest(tree: Path) -> None:
    assert digest_path(tree / "a.txt") != digest_path(tree / "sub/b.txt")
    assert [one.path for one in read_tree(tree / "a.txt")] == [""]


def test_paths_are_sorted_by_their_bytes(write: Write, root: Path) -> None:
    for name in ("a/b", "a.b", "é", "Z", "a-b"):
        write(f"tree/{name}", "")
    (root / "tree" / os.fsdecode(b"caf\xe9")).write_text("")
    paths = [one.path for one in read_tree(root / "tree")]
    assert paths == ["Z", "a-b", "a.b", "a/b", "caf\udce9", "é"]


def test_a_link_out_of_the_tree_counts_as_what_it_points_at(tree: Path, write: Write) -> None:
    outside = write("shared/x.txt", "1")
    (tree / "out").symlink_to("../shared/x.txt")
    (tree / "dir").symlink_to(outside.parent)
    before = digest_path(tree)
    assert {one.path: one.content for one in read_tree(tree)}["dir/x.txt"] == b"1"
    outside.write_text("2")
    changed = digest_path(tree)
    assert changed != before
    (tree / "out").unlink()
    (tree / "out").symlink_to(outside)
    assert digest_path(tree) == changed


def test_a_link_to_something_ignored_counts_as_what_it_points_at(tree: Path, write: Write) -> None:
    write("tree/checks/x", "1")
    (tree / "link").symlink_to("checks/x")
    files = read_tree(tree, ignored=lambda path: path == "checks")
    assert {one.path: one.content for one in files}["link"] == b"1"


def test_links_in_circles_end(tree: Path, write: Write) -> None:
    (tree / "self").symlink_to("self")
    (tree / "up").symlink_to(".")
    (tree / "dangling").symlink_to("nowhere")
    write("shared/x", "")
    (tree / "shared").symlink_to("../shared")
    (tree.parent / "shared/back").symlink_to("../shared")
    with pytest.raises(InputError, match="leads into itself through a link"):
        read_tree(tree)
    (tree.parent / "shared/back").unlink()
    assert len(read_tree(tree)) == 7


def test_a_large_file_counts_by_its_bytes_and_is_not_looked_into(tree: Path) -> None:
    large = tree / "large"
    large.write_bytes(b"a" * 5_000_000)
    before = digest_path(tree)
    assert next(one for one in read_tree(tree) if one.path == "large").content is None
    large.write_bytes(b"a" * 4_999_999 + b"b")
    assert digest_path(tree) != before


def test_a_pipe_or_socket_is_a_sentence(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(InputError) as caught:
        read_tree(tree)
    assert str(caught.value) == (
        "tree/pipe: this is a pipe, socket or device; only files, directories and links have a digest"
    )
    (tree / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("tree/socket")
        with pytest.raises(InputError, match="tree/socket: this is a pipe, socket or device"):
            read_tree(tree)


def test_a_missing_tree_is_a_sentence(root: Path) -> None:
    with pytest.raises(InputError) as caught:
        digest_path(root / "nowhere")
    assert str(caught.value) == "nowhere: this cannot be read: no such file or directory"


@pytest.fixture
def collections(write: Write, root: Path) -> Path:
    write("c/ansible_collections/one/source/galaxy.yml", "version: 1.0.0")
    write("c/ansible_collections/one/source/plugins/modules/x.py", "x")
    write("c/ansible_collections/one/source/tests/y.py", "y")
    write("c/ansible_collections/two/installed/MANIFEST.json", '{"version": "1.0.0"}')
    write("c/ansible_collections/two/installed/plugins/modules/x.py", "x")
    write("c/ansible_collections/two.installed-1.0.0.info/GALAXY.yml", "")
    return root / "c"


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("one/source/galaxy.yml", True),
        ("one/source/plugins/modules/x.py", True),
        ("one/source/plugins/lookup/new.py", True),
        ("one/source/roles/r/tasks/main.yml", True),
        ("one/source/tests/y.py", False),
        ("one/source/README.md", False),
        ("two/installed/MANIFEST.json", True),
        ("two/installed/plugins/modules/x.py", False),
        ("three/new/galaxy.yml", True),
        ("two.installed-1.0.0.info/GALAXY.yml", False),
    ],
)
def test_what_counts_of_collections(path: str, counts: bool, collections: Path, write: Write) -> None:
    before = digest_collections((collections,))
    write(f"c/ansible_collections/{path}", "changed")
    assert (digest_collections((collections,)) != before) == counts


def test_the_first_copy_of_a_collection_counts(collections: Path, write: Write, root: Path) -> None:
    before = digest_collections((collections,))
    write("d/ansible_collections/one/source/galaxy.yml", "version: 2")
    assert digest_collections((collections, root / "d")) == before
    assert digest_collections((root / "d", collections)) != before


def test_a_path_may_be_the_collections_themselves(collections: Path) -> None:
    assert digest_collections((collections / "ansible_collections",)) == digest_collections((collections,))


def test_paths_without_collections_do_not_matter(collections: Path, root: Path) -> None:
    assert digest_collections((root / "nowhere", collections)) == digest_collections((collections,))
