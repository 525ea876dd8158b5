"""What is told of a tree, by the program that runs inside machines and by what reads layers."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils import contents_program, machine_program
from ansible_collections.bakery.images.plugins.module_utils.contents_program import (
    Places,
    left_out,
    look_at,
    parse_conffiles,
)
from ansible_collections.bakery.images.plugins.module_utils.contents_rules import LEFT_OUT, PATTERNS
from ansible_collections.bakery.images.plugins.module_utils.layer_contents import stack_contents
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore

STATUS = """\
Package: nginx
Status: install ok installed
Architecture: amd64
Version: 1.22.1-9
Conffiles:
 /etc/nginx/nginx.conf {same}
 /etc/nginx/edited.conf 00000000000000000000000000000000
 /etc/nginx/old name 00000000000000000000000000000000 obsolete
Description: x

Package: gone
Status: deinstall ok config-files
Version: 1
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root with merged /usr and one package."""
    root = tmp_path / "root"
    for name in ("bin", "lib"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    same = hashlib.md5(b"as packaged\n").hexdigest()
    write(root / "var/lib/dpkg/status", STATUS.format(same=same))
    listed = ["/.", "/bin/nginx", "/usr", "/usr/bin", "/usr/lib", "/lib/nginx/module.so", "/lib/nginx"]
    listed += ["/bin", "/lib", "/etc", "/etc/nginx", "/etc/nginx/nginx.conf", "/etc/nginx/edited.conf"]
    write(root / "var/lib/dpkg/info/nginx.list", "\n".join(listed) + "\n")
    md5 = hashlib.md5(b"a package's\n").hexdigest()
    write(root / "var/lib/dpkg/info/nginx.md5sums", f"{md5}  lib/nginx/module.so\n{md5}  bin/nginx\n")
    write(root / "var/lib/dpkg/diversions", "/bin/sh\n/bin/sh.distrib\ndash\n")
    for path in ("usr/bin/nginx", "usr/lib/nginx/module.so", "usr/bin/sh.distrib"):
        write(root / path, "a package's\n")
    write(root / "etc/nginx/nginx.conf", "as packaged\n")
    write(root / "etc/nginx/edited.conf", "edited\n")
    write(root / "etc/passwd", "root:x:0:0::/root:/bin/sh\nweb:x:33:33::/:/bin/sh\n")
    write(root / "etc/group", "root:x:0:\nweb:x:33:\n")
    return root


def write(path: Path, text: str = "something\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def told(root: Path) -> dict[str, Any]:
    files: dict[str, Any] = look_at(str(root), PATTERNS)["files"]
    return files


def test_packages_are_those_that_are_installed(tree: Path) -> None:
    assert look_at(str(tree), PATTERNS)["packages"] == {"nginx": "1.22.1-9"}


def test_what_a_package_owns_is_not_told_also_behind_merged_usr(tree: Path) -> None:
    write(tree / "usr/bin/own")
    found = told(tree)
    assert "/usr/bin/own" in found
    assert [path for path in found if path.startswith(("/usr/lib", "/bin", "/lib", "/usr/bin"))] == [
        "/usr/bin/own"
    ]


def test_files_that_people_may_edit_say_whether_somebody_did(tree: Path) -> None:
    write(tree / "etc/nginx/old name")
    found = told(tree)
    assert {path: found[path]["packaged"] for path in found if path.startswith("/etc/nginx")} == {
        "/etc/nginx/nginx.conf": True,
        "/etc/nginx/edited.conf": False,
        "/etc/nginx/old name": False,
    }


def test_what_else_of_packages_is_told_once_it_was_changed(tree: Path) -> None:
    (tree / "usr/lib/nginx/module.so").write_text("changed\n")
    (tree / "usr/bin/nginx").unlink()
    (tree / "usr/bin/nginx").symlink_to("/srv/nginx")
    changed = {path: one["package"] for path, one in told(tree).items() if path.startswith("/usr")}
    assert changed == {"/usr/bin/nginx": "nginx", "/usr/lib/nginx/module.so": "nginx"}
    later = look_at(str(tree), PATTERNS, since=time.time() + 60)["files"]
    assert not [path for path in later if path.startswith("/usr")]


def test_an_entry_is_told_with_owner_mode_and_content(tree: Path) -> None:
    file = write(tree / "srv/hello", "hello\n")
    file.chmod(0o4750)
    (tree / "srv/link").symlink_to("/etc/../nowhere")
    os.mkfifo(tree / "srv/fifo", 0o600)
    uid, gid = file.stat().st_uid, file.stat().st_gid
    found = told(tree)
    assert found["/srv/hello"] == {
        "kind": "file",
        "mode": "4750",
        "owner": "root:root" if (uid, gid) == (0, 0) else f"{uid}:{gid}",
        "uid": uid,
        "gid": gid,
        "size": 6,
        "digest": f"sha256:{hashlib.sha256(b'hello' + bytes([10])).hexdigest()}",
        "package": "",
        "packaged": False,
    }
    assert (found["/srv/link"]["kind"], found["/srv/link"]["digest"]) == ("link", "/etc/../nowhere")
    assert (found["/srv/fifo"]["kind"], found["/srv/fifo"]["size"]) == ("fifo", 0)
    assert (found["/srv"]["kind"], found["/srv"]["digest"]) == ("directory", "")


def test_names_that_are_not_utf8_are_told_with_escapes(tree: Path) -> None:
    odd = os.fsencode(tree) + b"/srv-\xff"
    os.close(os.open(odd, os.O_CREAT | os.O_WRONLY))
    write(tree / "srv two\nlines")
    found = told(tree)
    assert "/srv-\\xff" in found
    assert "/srv two\nlines" in found
    assert json.loads(json.dumps(found)) == found


def test_links_out_of_the_tree_are_not_followed(tree: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "secret")
    (tree / "srv").symlink_to(outside.parent)
    (tree / "var/lib/dpkg/info").rename(tmp_path / "info")
    (tree / "var/lib/dpkg/info").symlink_to(tmp_path / "info")
    found = told(tree)
    assert found["/srv"]["kind"] == "link"
    assert not [path for path in found if "secret" in path]
    assert "/usr/bin/nginx" in found  # nothing is read behind the link, not even who owns it


@pytest.mark.parametrize(
    "path",
    [
        "proc/1/status",
        "run/secret",
        "tmp/x",
        "var/log/nginx/access.log",
        "var/lib/dpkg/status-old",
        "var/lib/cloud/instance/user-data.txt",
        "boot/vmlinuz",
        "usr/lib/modules/6.1.0/x.ko",
        "vmlinuz",
        "opt/app/__pycache__/x.pyc",
        "__pycache__",
        "etc/machine-id",
        "etc/ssh/ssh_host_ed25519_key.pub",
        "etc/ssl/private/ssl-cert-snakeoil.key",
    ],
)
def test_what_a_machine_makes_by_itself_is_left_out(path: str) -> None:
    assert left_out(PATTERNS)(path.encode())


@pytest.mark.parametrize(
    "path", ["tmp", "var/log", "runner", "etc/ssh/sshd_config", "srv/tmp/x", "usr/lib/modules-load.d/x.conf"]
)
def test_what_a_role_may_want_is_told(path: str) -> None:
    assert not left_out(PATTERNS)(path.encode())


def test_every_rule_has_a_reason() -> None:
    assert all(rule.pattern and rule.reason for rule in LEFT_OUT)


def test_conffiles_are_read_as_dpkg_writes_them() -> None:
    assert parse_conffiles(STATUS.format(same="f" * 32).encode()) == {
        b"/etc/nginx/nginx.conf": b"f" * 32,
        b"/etc/nginx/edited.conf": b"0" * 32,
        b"/etc/nginx/old name": b"0" * 32,
    }


def test_paths_are_resolved_by_the_links_of_the_tree() -> None:
    links = {b"bin": b"usr/bin", b"var/run": b"/run", b"a": b"../b", b"b/up": b"..", b"loop": b"loop"}
    places = Places(links)
    assert {path: places.real(path) for path in (b"/bin/x", b"/var/run/x", b"/a/x", b"/b/up/x", b"/bin")} == {
        b"/bin/x": b"usr/bin/x",
        b"/var/run/x": b"run/x",
        b"/a/x": b"b/x",
        b"/b/up/x": b"x",
        b"/bin": b"bin",
    }
    assert places.real(b"/loop/x")


def test_the_text_of_the_program_runs_as_the_machine_runs_it(tree: Path) -> None:
    """What is sent is a whole program: without the collection beside it."""
    write(tree / "srv/hello")
    text = machine_program.program_text(contents_program)
    text = text.replace('main(globals()["REQUEST"])', f"look_at({str(tree)!r}, **globals()['REQUEST'])")
    given = json.dumps([{"__name__": "__sent__", "PROGRAM": text, "REQUEST": {"leave_out": PATTERNS}}])
    words = [sys.executable, "-I", "-B", "-c", machine_program._START]
    done = subprocess.run(words, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [look_at(str(tree), PATTERNS)]


# ── layers ──


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    made = LayerStore(str(tmp_path / "container"))
    made.ensure()
    return made


def test_of_layers_those_of_roles_are_told(tree: Path, store: LayerStore) -> None:
    write(tree / "etc/of-the-base")
    base = store.commit(str(tree), {"role": None})
    first, second = Path(store.root, "first"), Path(store.root, "second")
    write(first / "srv/hello", "old\n")
    write(first / "usr/bin/nginx", "a package's\n")
    write(first / "usr/lib/nginx/module.so", "changed\n")
    write(first / "etc/nginx/nginx.conf", "edited\n")
    write(second / "srv/hello", "new\n")
    (second / "usr/bin").mkdir(parents=True)
    os.mknod(second / "usr/bin/sh.distrib", 0o020000, os.makedev(0, 0))
    layers = [base, store.commit(str(first), {"role": "one"}), store.commit(str(second), {"role": "two"})]
    contents = stack_contents(store, layers)
    assert contents["roles"] == {
        "/etc/nginx/nginx.conf": "one",
        "/usr/lib/nginx/module.so": "one",
        "/srv": "two",
        "/srv/hello": "two",
    }
    assert contents["roles"].keys() == contents["files"].keys()
    assert (
        contents["files"]["/srv/hello"]["digest"]
        == f"sha256:{hashlib.sha256(b'new' + bytes([10])).hexdigest()}"
    )
    assert contents["packages"] == {"nginx": "1.22.1-9"}
    assert contents["package_roles"] == {}


def test_packages_of_layers_are_of_the_role_that_brought_them(store: LayerStore, tree: Path) -> None:
    (tree / "var/lib/dpkg/status").rename(tree / "status")
    base = store.commit(str(tree), {"role": None})
    role = Path(store.root, "role")
    write(role / "var/lib/dpkg/status", STATUS.format(same="f" * 32))
    contents = stack_contents(store, [base, store.commit(str(role), {"role": "web"})])
    assert contents["package_roles"] == {"nginx": "web"}
