"""Sealing a tree that boots by itself, with the program that runs inside machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils import ec2_sealing_program, machine_program
from ansible_collections.bakery.images.plugins.module_utils.ec2_sealing import (
    SealingAsked,
    request,
    seal_machine,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_sealing_program import Seal
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

OURS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl bakery:web-1\n"
THEIRS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1Zlm3M2WcKoQhIjcLJgdJ1fJH6YfYx2tK0bG0m0vNR ops@example\n"
PREFIXED = f'no-pty,command="echo no" {OURS}'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root file system with nothing in it but who is there."""
    root = tmp_path / "root"
    write(root / "etc" / "passwd", "root:x:0:0::/root:/bin/sh\nadmin:x:1000:1000::/srv/admin:/bin/sh\n")
    return root


def write(path: Path, text: str = "something\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def seal(root: Path, *, apply: bool = True, keep: tuple[str, ...] = ()) -> dict[str, int]:
    told = request(apply=apply, keep=keep)
    program = Seal(str(root), told)
    for where, what, action, reason in told["rules"]:
        program.rule(where, what, action, reason=reason)
    program.keys(told["comment"])
    return program.counts


@pytest.mark.parametrize(
    "path",
    [
        "etc/ssh/ssh_host_ed25519_key",
        "etc/ssh/ssh_host_rsa_key.pub",
        "root/.bash_history",
        "home/somebody/.bash_history",
        "srv/admin/.python_history",
        "root/.ansible/tmp/x/AnsiballZ.py",
        "srv/admin/.ansible/tmp/x",
        "var/lib/dhcp/dhclient.eth0.leases",
        "var/lib/NetworkManager/internal-1-eth0.lease",
        "var/lib/systemd/random-seed",
        "var/lib/systemd/credential.secret",
        "var/log/journal/0123/system.journal",
        "var/log/apt/history.log",
        "var/log/cloud-init.log",
        "var/lib/apt/lists/deb_dists_bookworm_InRelease",
        "var/cache/apt/archives/x.deb",
        "tmp/ansible_x/payload",
        "var/tmp/x",
    ],
)
def test_what_is_the_machines_or_the_bakes_goes(tree: Path, path: str) -> None:
    there = write(tree / path)
    assert seal(tree)["removed"]
    assert not there.exists()


@pytest.mark.parametrize(
    "path",
    [
        "etc/hostname",
        "etc/hosts",
        "etc/resolv.conf",
        "root/.profile",
        "srv/admin/.ssh/known_hosts",
        "run/lock/x",
        "var/lib/systemd/catalog/database",
        "var/cache/man/index.db",
        "var/lib/cloud/x",
        "usr/bin/tmp",
    ],
)
def test_what_a_bootable_image_needs_stays(tree: Path, path: str) -> None:
    there = write(tree / path)
    seal(tree)
    assert there.exists()


def test_the_machine_id_is_emptied_so_that_the_next_boot_is_no_first_boot(tree: Path) -> None:
    machine_id = write(tree / "etc" / "machine-id", "0123456789abcdef0123456789abcdef\n")
    assert seal(tree)["emptied"] == 1
    assert machine_id.read_text() == ""
    assert seal(tree) == {"removed": 0, "emptied": 0, "keys": 0}


def test_keys_of_the_bake_go_and_nobody_elses(tree: Path) -> None:
    keys = write(tree / "root" / ".ssh" / "authorized_keys", THEIRS + PREFIXED + OURS)
    keys.chmod(0o600)
    inode = keys.stat().st_ino
    only_ours = write(tree / "srv" / "admin" / ".ssh" / "authorized_keys", f"# by cloud-init\n{OURS}")
    assert seal(tree)["keys"] == 3
    assert keys.read_text() == THEIRS
    assert (keys.stat().st_ino, keys.stat().st_mode & 0o777) == (inode, 0o600)
    assert not only_ours.exists()
    assert only_ours.parent.is_dir()


def test_logs_of_services_are_emptied_and_those_of_the_bake_removed(tree: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    theirs = write(tree / "var" / "log" / "nginx" / "access.log")
    os.chown(theirs, 33, 33)
    made = write(tree / "var" / "log" / "jobs.log")
    ours = write(tree / "var" / "log" / "dpkg.log")
    os.mkfifo(tree / "var" / "log" / "cron.fifo")
    seal(tree)
    assert theirs.read_text() == made.read_text() == ""
    assert (tree / "var" / "log" / "cron.fifo").exists()
    assert not ours.exists()
    assert (tree / "var" / "log" / "nginx").is_dir()


def test_former_logs_go_and_files_that_are_only_called_alike_are_emptied(tree: Path) -> None:
    log = tree / "var" / "log" / "app"
    former = [
        write(log / name) for name in ("app.log.1", "syslog.2.gz", "data-2024-01-01.json", "requests.3")
    ]
    beside = [write(log / name) for name in ("data.json", "requests")]
    on_purpose = [write(log / name) for name in ("schema.1", "app.20261130", "other-2024-01-01.json")]
    (log / "schema").mkdir()
    seal(tree)
    assert [file for file in former if file.exists()] == []
    assert {file.read_text() for file in (*beside, *on_purpose)} == {""}


def test_a_tree_of_any_depth_goes_and_what_is_kept_in_it_stays(tree: Path) -> None:
    kept = write(tree / "tmp" / "kept" / "file")
    write(tree / "tmp" / "kept" / "other")
    here = os.open(tree / "tmp", os.O_RDONLY)
    for _level in range(1500):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    counted = seal(tree, apply=False, keep=("tmp/kept/file",))
    assert seal(tree, keep=("tmp/kept/file",)) == counted
    assert [path for path in (tree / "tmp").rglob("*") if path.is_file()] == [kept]
    assert not (tree / "tmp" / "d").exists()


def test_nobody_waits_for_a_fifo_in_the_place_of_keys(tree: Path) -> None:
    for path in ("root/.ssh/authorized_keys", "etc/machine-id"):
        write(tree / path).unlink()
        os.mkfifo(tree / path)
    assert seal(tree) == {"removed": 0, "emptied": 0, "keys": 0}


def test_links_are_not_followed_and_stay(tree: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "ssh_host_rsa_key")
    (tree / "etc" / "ssh").symlink_to(outside.parent)
    log = tree / "var" / "log" / "access.log"
    log.parent.mkdir(parents=True)
    log.symlink_to("/dev/stdout")
    identity = tree / "var" / "lib" / "dbus" / "machine-id"
    identity.parent.mkdir(parents=True)
    identity.symlink_to("/etc/machine-id")
    write(tree / "tmp" / "x").unlink()
    (tree / "tmp" / "link").symlink_to(outside)
    seal(tree)
    assert outside.exists()
    assert log.is_symlink()
    assert identity.is_symlink()
    assert list((tree / "tmp").iterdir()) == []


def test_looking_changes_nothing_and_counts_the_same(tree: Path) -> None:
    write(tree / "etc" / "machine-id", "0123\n")
    write(tree / "tmp" / "x")
    write(tree / "root" / ".ssh" / "authorized_keys", OURS)
    before = sorted((path, path.stat().st_mtime_ns) for path in tree.rglob("*"))
    counted = seal(tree, apply=False)
    assert sorted((path, path.stat().st_mtime_ns) for path in tree.rglob("*")) == before
    assert seal(tree) == counted


def test_the_program_gets_into_the_machine_as_text(tmp_path: Path) -> None:
    """The words of the way into the machine get a Python and its program's text, and nothing else."""
    seen = tmp_path / "seen"
    way = [
        sys.executable,
        "-c",
        f"import sys; open({str(seen)!r}, 'w').write(repr(sys.argv[1:])); print('[{{\"counts\": {{}}}}]')",
    ]
    assert seal_machine(way, SealingAsked("/usr/bin/python3", apply=False)) == ({}, {})
    assert seen.read_text().startswith("['/usr/bin/python3', '-I', '-B', '-c', ")


def test_what_the_program_complains_about_is_told(tmp_path: Path) -> None:
    answer = json.dumps([{"failed": "cloud-init clean: no space left"}, {"packages": {}, "files": {}}])
    way = [sys.executable, "-c", f"print({answer!r})"]
    with pytest.raises(MachineFailure, match="cannot be sealed: cloud-init clean: no space left"):
        seal_machine(way, SealingAsked("python3", apply=True))
    way = [sys.executable, "-c", "raise SystemExit('ssh: broken')"]
    with pytest.raises(MachineFailure, match="cannot be sealed: ssh: broken"):
        seal_machine(way, SealingAsked("python3", apply=True))


def test_the_text_of_the_program_runs_as_the_machine_runs_it(tree: Path) -> None:
    """What is sent is a whole program: without the collection beside it."""
    write(tree / "tmp" / "x")
    told: dict[str, Any] = request(apply=True) | {"commands": []}
    text = machine_program.program_text(ec2_sealing_program)
    text = text.replace('globals()["REQUEST"]', f"globals()['REQUEST'], {str(tree)!r}")
    given = json.dumps([{"__name__": "__sent__", "PROGRAM": text, "REQUEST": told}])
    words = [sys.executable, "-I", "-B", "-c", machine_program._START]
    done = subprocess.run(words, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert answer["counts"]["removed"] == 1
    assert [(one["path"], one["what"]) for one in answer["sealed"]["entries"]] == [("/tmp/x", "removed")]
