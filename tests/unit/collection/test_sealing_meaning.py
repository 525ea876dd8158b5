"""Sealing removes what the bake left, and never what a role or the base meant."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.unit.collection.stopped_machine import EPOCH, LATER, Bake, bytecode, whiteout

IDS = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210")


@pytest.mark.parametrize(
    "path",
    [
        "etc/ssh/ssh_host_rsa_key",
        "etc/machine-id",
        "var/lib/dbus/machine-id",
        "root/.bash_history",
        "home/alice/.python_history",
        "var/log/dpkg.log",
        "var/log/app/app.log",
        "etc/shadow-",
        "var/lib/apt/lists/mirror_InRelease",
        "tmp/of-the-base",
        "var/tmp/of-the-base",
        "root/.cache/pip",
        "var/cache/apt/pkgcache.bin",
    ],
)
def test_what_a_role_deleted_stays_deleted(bake: Bake, path: str) -> None:
    bake.write(path, lower=True)
    whiteout(bake.upper / path)
    bake.seal()
    assert bake.hides(path)


def test_what_a_role_deleted_in_a_cache_stays_deleted(bake: Bake) -> None:
    bake.write("root/.cache/pip/wheels/a", lower=True)
    whiteout(bake.upper / "root/.cache/pip/wheels")
    bake.write("root/.cache/pip/http/b")
    bake.seal()
    assert bake.left() == ["root/.cache/pip/wheels"]
    assert bake.hides("root/.cache/pip/wheels")


@pytest.mark.parametrize(
    "path", ["root/.bash_history", "var/log/dpkg.log", "var/log/app.log", "var/log/wtmp"]
)
def test_what_a_role_emptied_stays_empty(bake: Bake, path: str) -> None:
    bake.write(path, "of the base", lower=True)
    bake.write(path, "")
    bake.seal()
    assert (bake.upper / path).read_text() == ""


@pytest.mark.parametrize("path", ["var/log/dpkg.log", "var/log/app/app.log"])
def test_a_log_that_was_emptied_and_written_again_is_emptied(bake: Bake, path: str) -> None:
    bake.write(path, "of the base", lower=True)
    bake.write(path, "what the bake wrote to it after that")
    assert bake.told() == {f"/{path}": "emptied"}
    assert (bake.upper / path).read_text() == ""


def test_a_log_that_grew_is_the_bases_again(bake: Bake) -> None:
    bake.write("var/log/app/app.log", "of the base", lower=True)
    bake.write("var/log/app/app.log", "of the base, and of the bake")
    bake.seal()
    assert bake.left() == []


@pytest.mark.parametrize("path", ["var/log/wtmp", "var/log/app.log", "root/.bash_history"])
@pytest.mark.parametrize("content", ["of the base", "of the base, and of the bake"])
def test_the_mode_that_a_role_gave_the_bases_file_stays(bake: Bake, path: str, content: str) -> None:
    below = bake.write(path, "of the base", lower=True)
    os.utime(below, (EPOCH - 5, EPOCH - 5))
    file = bake.write(path, content)
    file.chmod(0o600)
    assert bake.told() == ({f"/{path}": "cut back"} if content != "of the base" else {})
    status = file.stat()
    assert (file.read_text(), status.st_mode & 0o777, status.st_mtime) == ("of the base", 0o600, EPOCH - 5)


def test_a_directory_in_the_place_of_a_machine_id_is_none(bake: Bake) -> None:
    bake.write("etc/machine-id/file", IDS[0])
    assert bake.told() == {}


def test_a_host_key_that_replaced_the_bases_leaves_none_of_both(bake: Bake) -> None:
    bake.write("etc/ssh/ssh_host_rsa_key", "of the base", lower=True)
    bake.write("etc/ssh/ssh_host_rsa_key", "of the machine")
    assert bake.told() == {"/etc/ssh/ssh_host_rsa_key": "hidden"}
    assert bake.hides("etc/ssh/ssh_host_rsa_key")


def test_a_history_that_was_deleted_and_written_again_leaves_none_of_both(bake: Bake) -> None:
    bake.write("root/.bash_history", "of the base", lower=True)
    bake.write("root/.bash_history", "apt-get install nginx")
    bake.seal()
    assert bake.hides("root/.bash_history")


def test_nothing_of_a_directory_that_was_deleted_comes_back(bake: Bake) -> None:
    bake.write("var/log/app/app.log", "of the base", lower=True)
    bake.write("var/log/app/app.log", "of the base")
    bake.write("root/.cache/pip/wheel", lower=True)
    bake.write("root/.cache/pip/other")
    for path in ("var/log/app", "root/.cache/pip"):
        os.setxattr(bake.upper / path, "trusted.overlay.opaque", b"y")
    bake.seal()
    assert (bake.upper / "var/log/app/app.log").read_text() == ""
    assert bake.hides("root/.cache/pip")


@pytest.mark.parametrize(
    ("lower", "upper", "left"),
    [
        ("", "", None),
        ("", IDS[0], None),
        ("uninitialized\n", IDS[0], None),
        (IDS[0], IDS[0], None),
        (IDS[0], "", ""),
        (IDS[0], "uninitialized\n", "uninitialized\n"),
        (IDS[0], IDS[1], ""),
        ("", "uninitialized\n", "uninitialized\n"),
        ("uninitialized\n", "", ""),
        (None, "uninitialized\n", "uninitialized\n"),
        (None, "", ""),
        (None, IDS[0], ""),
    ],
)
def test_machine_id_is_no_id_in_the_way_that_was_meant(
    bake: Bake, lower: str | None, upper: str, left: str | None
) -> None:
    if lower is not None:
        bake.write("etc/machine-id", lower, lower=True)
    file = bake.write("etc/machine-id", upper)
    bake.seal()
    assert (file.read_text() if file.exists() else None) == left


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("var/tmp", "/tmp"),
        ("tmp", "/var/tmp"),
        ("root/.bash_history", "/dev/null"),
        ("etc/ssh/ssh_host_rsa_key", "/data/ssh_host_rsa_key"),
        ("etc/machine-id", "/data/machine-id"),
        ("var/log", "/data/log"),
        ("var/log/journal", "/data/journal"),
        ("var/log/app.log", "/dev/stdout"),
        ("var/cache/man", "/data/man"),
        ("var/backups", "/data/backups"),
        ("root/.cache/pip", "/data/pip"),
    ],
)
def test_a_link_in_the_place_of_what_a_bake_leaves_stays(bake: Bake, path: str, target: str) -> None:
    (bake.upper / path).parent.mkdir(parents=True, exist_ok=True)
    (bake.upper / path).symlink_to(target)
    assert bake.told() == {}
    assert (bake.upper / path).readlink() == Path(target)


@pytest.mark.parametrize("owner", [0, 33])
def test_a_log_made_on_purpose_stays_without_its_content(bake: Bake, owner: int) -> None:
    made = bake.write("var/log/auth.log", "")
    written = bake.write("var/log/php8.2-fpm.log", "notice: ready")
    for file in (made, written):
        os.chown(file, owner, 4)
        file.chmod(0o640)
    assert bake.told() == {"/var/log/php8.2-fpm.log": "emptied"}
    for file in (made, written):
        status = file.stat()
        assert (status.st_size, status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, owner, 4, 0o640)
        assert status.st_mtime == EPOCH


FORMER_LOGS = [
    "app.log.1",
    "app.log.2.gz",
    "app-2026-11-30.log",
    "app-20261130T10.log.xz",
    "syslog.7",
    "log.1",
]
FORMER_LOGS += [
    "messages-20261130",
    "access_log-20261130",
    "wtmp.1",
    "app.log-20261130.zst",
    "app-2026-11-30.log.1",
]
ON_PURPOSE = ["schema.1", "data-2024-01-01.json", "app.20261130", "catalog.3.gz", "1.2"]


@pytest.mark.parametrize("name", FORMER_LOGS)
def test_former_logs_go_since_their_names_differ_from_bake_to_bake(bake: Bake, name: str) -> None:
    file = bake.write(f"var/log/app/{name}")
    os.chown(file, 33, 33)
    bake.seal()
    assert bake.left() == []


@pytest.mark.parametrize("name", ON_PURPOSE)
def test_a_file_with_a_number_or_a_date_that_is_no_former_log_is_only_emptied(bake: Bake, name: str) -> None:
    file = bake.write(f"var/log/app/{name}")
    (file.parent / "schema").mkdir()
    assert bake.told() == {f"/var/log/app/{name}": "emptied"}
    assert file.read_text() == ""


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize(
    ("former", "log"),
    [("requests.1", "requests"), ("data-2024-01-01.json", "data.json"), ("trace.20261130.gz", "trace")],
)
def test_a_former_log_is_told_by_the_log_beside_it(bake: Bake, former: str, log: str, lower: bool) -> None:
    bake.write(f"var/log/app/{former}")
    bake.write(f"var/log/app/{log}", lower=lower)
    assert bake.told()[f"/var/log/app/{former}"] == "removed"


def test_a_log_that_a_role_deleted_is_not_beside_anything(bake: Bake) -> None:
    bake.write("var/log/app/requests", lower=True)
    bake.write("var/log/app/requests.1")
    whiteout(bake.upper / "var/log/app/requests")
    assert bake.told() == {"/var/log/app/requests.1": "emptied"}


def test_a_fifo_that_takes_logs_stays(bake: Bake) -> None:
    (bake.upper / "var/log").mkdir(parents=True)
    os.mkfifo(bake.upper / "var/log/cron.fifo")
    assert bake.told() == {}


def test_bytecode_without_a_source_stays(bake: Bake) -> None:
    for path in ("opt/app/ledger.pyc", "opt/app/__pycache__/gone.cpython-311.pyc", "opt/app/kept.pyc"):
        bake.write(path).write_bytes(bytecode(0, LATER))
    bake.write("opt/app/kept.py", lower=True)
    assert bake.told() == {
        "/opt/app/__pycache__/gone.cpython-311.pyc": "removed",
        "/opt/app/kept.pyc": "removed",
    }
    assert bake.left() == ["opt/app/ledger.pyc"]


def test_a_source_that_was_deleted_is_none(bake: Bake) -> None:
    bake.write("opt/app/ledger.py", lower=True)
    whiteout(bake.upper / "opt/app/ledger.py")
    bake.write("opt/app/ledger.pyc").write_bytes(bytecode(0, LATER))
    assert bake.told() == {}


def test_a_socket_goes_and_is_told(bake: Bake, monkeypatch: pytest.MonkeyPatch) -> None:
    bake.write("srv/socket", lower=True)
    (bake.upper / "srv").mkdir()
    monkeypatch.chdir(bake.upper / "srv")
    for name in ("socket", "new"):
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(name)
    assert bake.told(keep=("srv/new",)) == {"/srv/socket": "hidden", "/srv/new": "removed"}
    assert bake.hides("srv/socket")


def test_times_before_1970_become_1970(bake: Bake) -> None:
    file = bake.write("srv/old")
    os.utime(file, (-5, -5))
    bake.seal()
    assert file.stat().st_mtime == 0


@pytest.mark.parametrize(
    ("path", "keep"),
    [
        ("var/log/dpkg.log", "var/log/dpkg.log"),
        ("var/log/app/app.log", "var/log/app"),
        ("etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key"),
        ("tmp/a/b/c", "tmp/a/b"),
        ("tmp/a/b/c", "tmp"),
        ("root/.cache/pip/wheels/x", "root/.cache/pip/wheels"),
        ("etc/machine-id", "etc/machine-id"),
        ("opt/app/__pycache__/a.cpython-311.pyc", "opt/app"),
    ],
)
def test_what_is_kept_stays_as_it_is(bake: Bake, path: str, keep: str) -> None:
    bake.write(path).write_bytes(bytecode(0, LATER))
    assert bake.told(keep=(keep,)) == {}
    assert (bake.upper / path).read_bytes() == bytecode(0, LATER)
    assert (bake.upper / path).stat().st_mtime == EPOCH


def test_beside_what_is_kept_everything_goes(bake: Bake) -> None:
    bake.write("tmp/a/b")
    bake.write("tmp/a/c")
    bake.write("tmp/ab")
    bake.seal(keep=("tmp/a/b",))
    assert bake.left() == ["tmp/a/b"]


def test_what_was_done_is_told_with_the_reason(bake: Bake) -> None:
    bake.write("var/cache/apt/pkgcache.bin")
    sealed = bake.seal()
    assert sealed.to_record() == {
        "entries": [
            {
                "path": "/var/cache/apt/pkgcache.bin",
                "what": "removed",
                "reason": "a cache of apt, stale when the image is used",
            }
        ],
        "more": 0,
    }


def test_of_very_many_entries_the_first_are_told_and_the_others_counted(bake: Bake) -> None:
    for number in range(1010):
        bake.write(f"var/backups/{number:04}", "")
    record = bake.seal().to_record()
    assert isinstance(record["entries"], list)
    assert (len(record["entries"]), record["more"]) == (1000, 10)
