"""What Ansible packs for its own modules is kept for the next run, and nothing else is."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible import constants
from ansible.plugins.loader import module_utils_loader
from ansible_collections.bakery.images.plugins.plugin_utils.payload_cache import PayloadCache

PING = "ansible.modules.ping-ZIP_DEFLATED-none"
KEPT_PING = f"{PING}.{hashlib.sha256(b'packed').hexdigest()}"


class Run:
    """The temporary directory of one run of ansible-playbook, and the cache as its workers use it."""

    def __init__(self, directory: Path, kept: Path) -> None:
        self.packed = directory / "ansiballz_cache"
        self.cache = PayloadCache(str(kept))

    def pack(self, name: str, content: bytes = b"packed") -> None:
        self.packed.mkdir(parents=True, exist_ok=True)
        (self.packed / name).write_bytes(content)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def new_run(tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Run]:
    count = 0

    def make() -> Run:
        nonlocal count
        count += 1
        directory = tmp_path / f"run-{count}"
        directory.mkdir()
        monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(directory))
        return Run(directory, kept)

    return make


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*/*"))


def test_next_run_finds_what_this_one_packed(new_run: Callable[[], Run]) -> None:
    first = new_run()
    first.cache.offer()
    first.pack(PING)
    first.cache.keep()
    second = new_run()
    second.cache.offer()
    assert (second.packed / PING).read_bytes() == b"packed"
    assert (first.packed / PING).read_bytes() == b"packed"


@pytest.mark.parametrize(
    "name",
    [
        "ansible.legacy.ping-ZIP_DEFLATED-none",
        "ansible_collections.acme.odd.plugins.modules.ping-ZIP_DEFLATED-none",
        "ansible.modules.ping-ZIP_DEFLATED-debugpy",
        "ansible.modules.ping-ZIP_DEFLATED-none.lock",
        "ansible.modules.ping-ZIP_DEFLATED-none-part",
    ],
)
def test_only_modules_of_ansible_itself_are_kept(new_run: Callable[[], Run], kept: Path, name: str) -> None:
    """The name of any other does not say what is in it."""
    run = new_run()
    run.pack(name)
    run.cache.keep()
    assert files(kept) == []


def test_nothing_is_kept_or_offered_with_module_utils_of_others(
    new_run: Callable[[], Run], kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = new_run()
    plain.pack(PING)
    plain.cache.keep()
    own = tmp_path / "own"
    own.mkdir()
    known = [*module_utils_loader._get_paths(subdirs=False), str(own)]
    monkeypatch.setattr(module_utils_loader, "_get_paths", lambda subdirs: known)
    run = new_run()
    run.cache.offer()
    assert not run.packed.exists()
    run.pack("ansible.modules.stat-ZIP_DEFLATED-none")
    run.cache.keep()
    assert files(kept) == [KEPT_PING]


def test_what_others_may_write_is_not_read(new_run: Callable[[], Run], kept: Path) -> None:
    first = new_run()
    first.pack(PING)
    first.cache.keep()
    (directory,) = kept.iterdir()
    directory.chmod(0o777)
    second = new_run()
    second.cache.offer()
    assert not (second.packed / PING).exists()


def test_other_run_keeps_its_own_packages_whatever_happens_to_ours(
    new_run: Callable[[], Run], kept: Path
) -> None:
    """A pruned cache leaves a link that leads nowhere: Ansible then packs anew, under the same name."""
    first = new_run()
    first.pack(PING)
    first.cache.keep()
    second = new_run()
    second.cache.offer()
    for path in kept.glob("*/*"):
        path.unlink()
    assert not (second.packed / PING).exists()
    fresh = second.packed / "fresh"
    fresh.write_bytes(b"packed")
    fresh.rename(second.packed / PING)
    second.cache.keep()
    assert files(kept) == [KEPT_PING]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: Path) -> None:
    first, *rest = path.read_bytes()
    path.write_bytes(bytes([first ^ 1, *rest]))


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def replace_by_link(path: Path) -> None:
    content = path.with_name("elsewhere")
    path.rename(content)
    path.symlink_to(content)


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES = [truncate, empty, zero, flip, lengthen, replace_by_link, replace_by_fifo]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_damaged_package_is_removed_and_made_anew(
    new_run: Callable[[], Run], kept: Path, damage: Callable[[Path], None]
) -> None:
    """Ansible would unpickle it, and tell the role of what it finds."""
    first = new_run()
    first.pack(PING)
    first.cache.keep()
    (path,) = kept.glob("*/*")
    damage(path)
    second = new_run()
    second.cache.offer()
    assert not os.path.lexists(second.packed / PING)
    assert not os.path.lexists(path)
    second.pack(PING)
    second.cache.keep()
    third = new_run()
    third.cache.offer()
    assert (third.packed / PING).read_bytes() == b"packed"


def test_package_without_a_digest_in_its_name_is_not_offered(new_run: Callable[[], Run], kept: Path) -> None:
    first = new_run()
    first.pack(PING)
    first.cache.keep()
    (path,) = kept.glob("*/*")
    path.rename(path.with_name(PING))
    second = new_run()
    second.cache.offer()
    assert not os.path.lexists(second.packed / PING)


def test_directory_in_the_place_of_a_package_does_no_harm(new_run: Callable[[], Run], kept: Path) -> None:
    first = new_run()
    first.pack(PING)
    first.cache.keep()
    (path,) = kept.glob("*/*")
    path.unlink()
    path.mkdir()
    second = new_run()
    second.cache.offer()
    assert not os.path.lexists(second.packed / PING)


def test_package_that_cannot_be_copied_leaves_nothing(
    new_run: Callable[[], Run], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk: some of it is there when the rest does not fit."""
    run = new_run()
    run.pack(PING)

    def fill_up(_source: str, target: str) -> None:
        Path(target).write_bytes(b"pack")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", fill_up)
    run.cache.keep()
    assert files(kept) == []
    assert (run.packed / PING).read_bytes() == b"packed"
