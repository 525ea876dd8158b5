"""A role that leaves what would lead the host astray, and what only careful archives hold.

One bake: the tree is sealed, packed, checked on a machine that boots it, and what is exported is unpacked by
another program and compared with what was booted, entry by entry.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import NOTHING, Kitchen
from tests.e2e.small_project import clone_home, write_project

pytestmark = pytest.mark.e2e

# The ACL is that of linux/posix_acl_xattr.h: user 1000 may write, the group may only read.
PLANT = """\
---
- name: Plant
  ansible.builtin.command:
    cmd: python3 -
    stdin: |
      import os, shutil, socket, struct
      os.makedirs("/opt/deep"); os.chdir("/opt/deep")
      for _ in range(1500): os.mkdir("d"); os.chdir("d")
      os.chdir("/opt")
      for path in ("/etc/gshadow", "/var/log/cron.fifo", "/var/lib/dpkg/available"):
          if os.path.exists(path): os.unlink(path)
          os.mkfifo(path)
      shutil.rmtree("/var/tmp"); os.symlink("/tmp", "/var/tmp")
      os.makedirs("/var/log/linked"); os.symlink("{host}", "/var/log/linked/journal")
      os.symlink("{host}/precious.log", "/var/log/precious.log")
      os.makedirs("/root/.cache", exist_ok=True); os.symlink("{host}", "/root/.cache/pip")
      open("/var/log/jobs.log", "w").close()
      open("/var/log/kept.log", "w").write("kept")
      open("/var/log/service.log", "w").write("started")
      acl = [(1, 6, -1), (2, 6, 1000), (4, 4, -1), (16, 6, -1), (32, 0, -1)]
      acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *one) for one in acl)
      open("/opt/shared", "w").write("x")
      os.setxattr("/opt/shared", "system.posix_acl_access", acl)
      os.mkdir("/opt/inherited")
      os.setxattr("/opt/inherited", "system.posix_acl_default", acl)
      os.setxattr("/opt/shared", "user.name", bytes(range(256)))
      os.utime("/opt/shared", (-5, -5))
      socket.socket(socket.AF_UNIX).bind("/opt/socket")
      os.link("/opt/shared", "/var/log/linked.log")
      os.link("/opt/shared", "/opt/linked")
"""
CHECK = """\
import os

def test_what_was_meant_is_there(host):
    assert host.file("/var/tmp").linked_to == "/tmp"
    assert host.file("/var/log/jobs.log").size == host.file("/var/log/service.log").size == 0
    assert host.file("/var/log/kept.log").content_string == "kept"
    assert host.file("/opt/shared").content_string == "x"
    assert host.file("/var/log/cron.fifo").is_pipe
    assert not host.file("/opt/socket").exists
    acl = "python3 -c \\"import os; print(os.getxattr('/opt/shared', 'system.posix_acl_access').hex())\\""
    assert "e8030000" in host.check_output(acl)
"""


@dataclass(frozen=True)
class Look:
    """What a program in the machine sees of an entry."""

    mode: int
    owner: tuple[int, int]
    mtime: int
    content: bytes
    attributes: dict[str, bytes]


def looks(tree: Path, names: list[str]) -> dict[str, Look]:
    found = {}
    for name in names:
        path, status = tree / name, (tree / name).lstat()
        content = b""
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = os.fsencode(path.readlink())
        kept = [key for key in os.listxattr(path, follow_symlinks=False) if not key.startswith("trusted.")]
        attributes = {key: os.getxattr(path, key, follow_symlinks=False) for key in kept}
        found[name] = Look(
            status.st_mode, (status.st_uid, status.st_gid), int(status.st_mtime), content, attributes
        )
    return found


def layer_tree(kitchen: Kitchen, digest: str) -> Path:
    """What machines stand on, of the layer with that digest."""
    records = (kitchen.home / "container" / "layers").glob("*/layer.json")
    return next(one.parent / "tree" for one in records if json.loads(one.read_text())["digest"] == digest)


def unpacked_layer(archive: Path, place: Path, number: int) -> tuple[Path, list[str]]:
    """A layer of an exported image, unpacked by GNU tar, and the names in it that are no whiteouts."""
    with tarfile.open(archive) as image:
        image.extractall(place / "image", filter="fully_trusted")
    blobs = place / "image" / "blobs" / "sha256"
    index = json.loads((place / "image" / "index.json").read_text())
    manifest = json.loads((blobs / index["manifests"][0]["digest"].removeprefix("sha256:")).read_text())
    blob = blobs / manifest["layers"][number]["digest"].removeprefix("sha256:")
    tree = place / "unpacked"
    tree.mkdir()
    words = ["tar", "--extract", "--gzip", "--file", str(blob), "--directory", str(tree), "--numeric-owner"]
    words += ["--same-owner", "--same-permissions", "--xattrs", "--xattrs-include=*"]
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
    with tarfile.open(blob) as layer:
        names = [member.name for member in layer if "/.wh." not in f"/{member.name}"]
    return tree, names


@pytest.fixture
def kitchen(home: Path, bakery_command: Path, tmp_path: Path) -> Iterator[Kitchen]:
    """A home of its own: pytest cannot remove such trees, nor should other tests find them."""
    host = tmp_path / "host"
    host.mkdir()
    (host / "precious.log").write_text("the host's")
    project = write_project(tmp_path / "project", {"plant": PLANT.format(host=host)}, {"hostile": "plant"})
    file = project / "bakery.yml"
    file.write_text(file.read_text() + "    keep: [/var/log/kept.log]\n")
    (project / "checks" / "test_machine.py").write_text(CHECK)
    yield clone_home(Kitchen(command=bakery_command, home=home, project=project), tmp_path / "home")
    subprocess.run(["rm", "-rf", tmp_path / "home", tmp_path / "unpacked"], check=True)


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no GNU tar")
def test_a_hostile_tree_is_sealed_shipped_as_it_was_booted_and_removed(
    kitchen: Kitchen, tmp_path: Path
) -> None:
    digest = kitchen.bake("hostile").result["layers"][0]["digest"]
    precious = tmp_path / "host" / "precious.log"
    assert precious.read_text() == "the host's"

    shown = kitchen.run("show", "hostile", "--sealed", "--json").document["layers"][0]["sealed"]
    told = {one["path"]: one["what"] for one in shown}
    assert told["/opt/socket"] == "removed"
    assert told["/var/log/service.log"] == told["/var/log/linked.log"] == "emptied"
    assert not {"/var/log/kept.log", "/var/log/jobs.log", "/var/tmp", "/opt/shared"} & told.keys()
    assert "emptied  /var/log/service.log" in kitchen.run("show", "hostile", "--sealed").stdout

    archive = tmp_path / "hostile.tar"
    kitchen.run("export", "hostile", str(archive))
    tree, names = unpacked_layer(archive, tmp_path, -1)
    booted = layer_tree(kitchen, digest)
    assert any(name.count("/") > 1500 for name in names)
    assert looks(tree, names) == looks(booted, names)

    kitchen.run("prune", "--keep-last", "0")
    assert not booted.exists()
    assert kitchen.leftovers() == NOTHING
