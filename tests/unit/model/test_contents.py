"""What sets two images apart by what is in them."""

from __future__ import annotations

from typing import Any

from bakery.model.contents import Contents, compare_contents, contents_of


def file(**changes: Any) -> dict[str, Any]:
    told = {"kind": "file", "mode": "0644", "owner": "root:root", "digest": "sha256:1"}
    return {**told, "package": "", "packaged": False, **changes}


def layered(files: dict[str, Any], **roles: str) -> Contents:
    """Contents of an image with layers; ``roles`` are by the last part of the path."""
    return Contents({}, files, {path: roles[path.rpartition("/")[2]] for path in files}, {})


def rows(ours: Contents, theirs: Contents) -> list[tuple[str, str, list[str], str | None]]:
    found = compare_contents(ours, theirs)["files"]
    return [(row["path"], row["change"], row["what"], row["role"]) for row in found]


def test_packages_are_told_by_the_role_that_brought_them() -> None:
    ours = Contents({"libc6": "1", "nginx": "1", "same": "3"}, {}, {}, {"nginx": "web"})
    theirs = Contents({"libc6": "2", "grub": "1", "same": "3"}, {}, None, {})
    assert compare_contents(ours, theirs)["packages"] == {
        "added": [{"name": "grub", "version": "1", "role": None}],
        "removed": [{"name": "nginx", "version": "1", "role": "web"}],
        "changed": [{"name": "libc6", "old": "1", "new": "2", "role": None}],
    }


def test_only_files_of_roles_count_where_one_side_knows_them() -> None:
    ours = layered(
        {"/srv/same": file(), "/srv/gone": file(), "/srv/new": file()}, same="a", gone="b", new="c"
    )
    theirs = Contents(
        {}, {"/srv/same": file(), "/srv/new": file(mode="0600"), "/etc/fstab": file()}, None, {}
    )
    assert rows(ours, theirs) == [("/srv/gone", "removed", [], "b"), ("/srv/new", "changed", ["mode"], "c")]
    assert rows(theirs, ours) == [("/srv/gone", "added", [], "b"), ("/srv/new", "changed", ["mode"], "c")]


def test_an_image_of_roles_that_wrote_nothing_knows_its_roles_too() -> None:
    bare = contents_of({"packages": {}, "files": {}, "roles": {}})
    theirs = contents_of({"packages": {}, "files": {"/etc/fstab": file()}})
    assert rows(bare, theirs) == []


def test_without_roles_all_files_count() -> None:
    ours = contents_of({"packages": {}, "files": {"/a": file(), "/b": file()}})
    theirs = contents_of({"packages": {}, "files": {"/b": file(), "/c": file()}})
    assert rows(ours, theirs) == [("/a", "removed", [], None), ("/c", "added", [], None)]


def test_what_changed_is_named() -> None:
    before = {
        "/mode": file(),
        "/owner": file(),
        "/content": file(),
        "/type": file(),
        "/link": file(kind="link", digest="a"),
        "/device": file(kind="device", digest="1:3"),
    }
    after = {
        "/mode": file(mode="4755"),
        "/owner": file(owner="www-data:root"),
        "/content": file(digest="sha256:2", mode="0600"),
        "/type": file(kind="directory", digest="", mode="0755"),
        "/link": file(kind="link", digest="b", mode="0777"),
        "/device": file(kind="device", digest="1:5"),
    }
    found = rows(*(contents_of({"packages": {}, "files": files}) for files in (before, after)))
    assert {path: what for path, _, what, _ in found} == {
        "/mode": ["mode"],
        "/owner": ["owner"],
        "/content": ["mode", "content"],
        "/type": ["type"],
        "/link": ["target"],
        "/device": ["device"],
    }


def test_what_packages_brought_counts_once_somebody_changed_it() -> None:
    package_of_one, package_of_other = file(packaged=True), file(packaged=True, digest="sha256:2")
    files = {"/etc/same.conf": package_of_one, "/etc/only.conf": package_of_one, "/etc/edited": file()}
    ours = layered(files, **{"same.conf": "a", "only.conf": "a", "edited": "a"})
    theirs = Contents({}, {"/etc/same.conf": package_of_other, "/etc/edited": package_of_other}, None, {})
    assert rows(ours, theirs) == [("/etc/edited", "changed", ["content"], "a")]


def test_a_file_of_a_package_that_only_one_side_changed_is_there_on_the_other() -> None:
    files = {"/usr/lib/x": file(package="libx"), "/usr/bin/y": file(package="y")}
    ours = layered(files, x="a", y="a")
    theirs = Contents({"libx:amd64": "1"}, {}, None, {})
    assert rows(ours, theirs) == [
        ("/usr/bin/y", "removed", [], "a"),
        ("/usr/lib/x", "changed", ["content"], "a"),
    ]
