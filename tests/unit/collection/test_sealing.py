"""Sealing takes everything of the bake out of an upper directory and leaves the rest as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.sealing_rules import RULES

from tests.unit.collection.stopped_machine import EPOCH, LATER, Bake, bytecode


@pytest.mark.parametrize(
    "path",
    [
        "etc/ssh/ssh_host_ed25519_key",
        "etc/ssh/ssh_host_rsa_key.pub",
        "var/lib/dbus/machine-id",
        "var/lib/systemd/random-seed",
        "var/lib/apt/lists/mirror_dists_InRelease",
        "var/cache/apt/archives/nginx_1_amd64.deb",
        "var/cache/apt/pkgcache.bin",
        "var/log/dpkg.log",
        "var/log/apt/history.log",
        "var/log/journal/0123/system.journal",
        "var/cache/ldconfig/aux-cache",
        "etc/passwd-",
        "etc/shadow-",
        "var/lib/dpkg/status-old",
        "var/cache/debconf/config.dat-old",
        "root/.ansible/tmp/ansible-1/payload",
        "root/.bash_history",
        "home/alice/.bash_history",
        "home/alice/.wget-hsts",
        "tmp/leftover",
        "var/tmp/deep/er/leftover",
        "run/nginx.pid",
        "etc/resolv.conf",
        "etc/hostname",
    ],
)
def test_nothing_of_the_bake_stays(bake: Bake, path: str) -> None:
    bake.write(path)
    bake.seal()
    assert bake.left() == []


@pytest.mark.parametrize(
    "path",
    [
        "etc/ssh/sshd_config",
        "var/lib/dpkg/status",
        "home/alice/.profile",
        "root/.ansible/collections/a",
        "srv/tmp/x",
    ],
)
def test_what_a_role_wants_stays(bake: Bake, path: str) -> None:
    bake.write(path)
    bake.seal()
    assert bake.left() == [path]


def test_machine_id_becomes_empty_where_no_layer_has_one(bake: Bake) -> None:
    bake.write("etc/machine-id", "0123456789abcdef")
    bake.seal()
    assert (bake.upper / "etc/machine-id").read_bytes() == b""


def test_machine_id_of_a_lower_layer_shows_through(bake: Bake) -> None:
    bake.write("etc/machine-id", "", lower=True)
    bake.write("etc/machine-id", "0123456789abcdef")
    bake.seal()
    assert not (bake.upper / "etc/machine-id").exists()


def test_directories_of_logs_stay_with_their_owner(bake: Bake) -> None:
    log = bake.write("var/log/apt/history.log")
    log.parent.chmod(0o750)
    bake.seal()
    assert log.parent.stat().st_mode & 0o777 == 0o750
    assert not log.exists()


def test_link_to_standard_output_stays_in_the_logs(bake: Bake) -> None:
    link = bake.upper / "var/log/nginx/access.log"
    link.parent.mkdir(parents=True)
    link.symlink_to("/dev/stdout")
    bake.seal()
    assert link.readlink() == Path("/dev/stdout")


def test_times_end_at_the_epoch_in_whole_seconds(bake: Bake) -> None:
    new = bake.write("srv/new")
    old = bake.write("srv/old")
    os.utime(old, ns=(0, EPOCH * 10**9 - 1))
    bake.seal()
    assert new.stat().st_mtime_ns == EPOCH * 10**9
    assert old.stat().st_mtime_ns == (EPOCH - 1) * 10**9
    assert old.parent.stat().st_mtime_ns == EPOCH * 10**9


def test_sealing_leaves_no_trace_in_a_directorys_time(bake: Bake) -> None:
    bake.write("etc/keep")
    bake.write("etc/.pwd.lock")
    os.utime(bake.upper / "etc", (EPOCH - 99, EPOCH - 99))
    bake.seal()
    assert (bake.upper / "etc").stat().st_mtime == EPOCH - 99


def test_emptied_directory_equal_to_the_lower_one_is_dropped(bake: Bake) -> None:
    (bake.lower / "var/tmp").mkdir(parents=True)
    bake.write("var/tmp/leftover")
    bake.seal()
    assert not (bake.upper / "var").exists()


def test_emptied_directory_with_a_new_mode_stays(bake: Bake) -> None:
    (bake.lower / "var/tmp").mkdir(parents=True)
    bake.write("var/tmp/leftover")
    (bake.upper / "var/tmp").chmod(0o1777)
    bake.seal()
    assert (bake.upper / "var/tmp").is_dir()


def test_empty_directory_of_a_role_stays(bake: Bake) -> None:
    (bake.upper / "srv/data").mkdir(parents=True)
    bake.seal()
    assert (bake.upper / "srv/data").is_dir()


def test_mount_stub_goes_only_while_it_is_empty(bake: Bake) -> None:
    bake.write("etc/mtab", "")
    bake.write("etc/fstab", "full")
    bake.seal(stubs=("etc/mtab", "etc/fstab"))
    assert bake.left() == ["etc/fstab"]


def test_password_dates_end_at_the_epoch(bake: Bake) -> None:
    today = LATER // 86_400
    shadow = bake.write(
        "etc/shadow", f"root:*:{today}:0:99999:7:::\nold:!:100:0:99999:7:::\nnone:!::0:::::\n"
    )
    bake.seal()
    day = EPOCH // 86_400
    assert shadow.read_text() == f"root:*:{day}:0:99999:7:::\nold:!:100:0:99999:7:::\nnone:!::0:::::\n"


def test_bytecode_of_a_source_newer_than_the_epoch_goes(bake: Bake) -> None:
    cache = bake.upper / "srv/app/__pycache__"
    cache.mkdir(parents=True)
    bake.write("srv/app/stale.py")
    (cache / "stale.cpython-311.pyc").write_bytes(bytecode(0, LATER))
    (cache / "package.cpython-311.pyc").write_bytes(bytecode(0, EPOCH - 1))
    (cache / "hashed.cpython-311.pyc").write_bytes(bytecode(1, LATER))
    bake.seal()
    assert sorted(path.name.split(".")[0] for path in cache.iterdir()) == ["hashed", "package"]


def test_names_that_are_not_utf8_are_sealed_too(bake: Bake) -> None:
    file = bake.write(os.fsdecode(b"srv/\xff\xfe"))
    bake.seal()
    assert file.stat().st_mtime == EPOCH


def test_links_are_never_followed(bake: Bake, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (bake.upper / "tmp").symlink_to(outside)
    (bake.upper / "var").mkdir()
    (bake.upper / "var/tmp").symlink_to(outside)
    bake.seal()
    assert (outside / "precious").exists()


def test_private_key_that_a_package_made_is_told(bake: Bake) -> None:
    bake.write("etc/ssl/private/ssl-cert-snakeoil.key")
    assert any("ssl-cert-snakeoil.key" in note for note in bake.seal().notes)


def test_sealing_twice_changes_nothing_more(bake: Bake) -> None:
    bake.write("srv/new")
    bake.write("var/log/dpkg.log")
    bake.seal()
    again = bake.seal()
    assert (again.removed, again.clamped) == (0, 0)


def test_every_rule_gives_its_reason() -> None:
    assert all(rule.reason for rule in RULES)
