"""What machines share of apt's downloads: each has a view of its own, and gets what its own lists name."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.apt_cache import AptCache
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.overlay_mount import unmount

pytestmark = pytest.mark.e2e

GOOD, BAD = b"as Debian built it", b"as a trojan has it"
DEB = "sl_5.02-1_amd64.deb"
HOUR = 3600


def index(content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f"Package: sl\nVersion: 5.02-1\nArchitecture: amd64\nSHA256: {digest}\n"


@dataclass
class Machine:
    """A machine without processes: ``files`` is what it sees, ``cache`` is the host's side of it.

    What runs in it is an ``apt-get update``, whose server has ``served``.
    """

    home: Path
    name: str
    layers: Sequence[str]
    served: str = index(GOOD)
    sources: str = "deb"
    updates: int = 0
    cache: AptCache = field(init=False)

    def __post_init__(self) -> None:
        self.tree, self.farm, self.upper = (self.home / self.name / part for part in ("tree", "apt", "upper"))
        for directory in (self.farm, self.upper, *(self.tree / place for place in self.places.values())):
            directory.mkdir(parents=True)
        for path in ("usr/bin/apt-get", "etc/apt/sources.list"):
            (self.tree / path).parent.mkdir(parents=True)
            (self.tree / path).write_text(self.sources)
        self.cache = AptCache(str(self.home), "debian", self.layers, farm=str(self.farm))

    @property
    def places(self) -> dict[str, str]:
        return {"archives": "var/cache/apt/archives", "lists": "var/lib/apt/lists"}

    def launch(self) -> Machine:
        options = self.cache.prepare(str(self.tree))
        assert [option.rpartition(":/")[2] for option in options] == [
            f"{path}:rw" for path in self.places.values()
        ]
        self.cache.refresh(self, max_age_s=24 * HOUR)
        return self

    def run(self, command: Sequence[str], *, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
        assert command[0] == "apt-get"
        assert timeout_s > 0
        self.updates += 1
        (self.lists / "new_Packages").write_text(self.served)
        (self.lists / "new_Packages").rename(self.lists / "debian_Packages")
        return subprocess.CompletedProcess(command, 0, b"", b"")

    @property
    def lists(self) -> Path:
        return self.farm / "lists/merged"

    @property
    def archives(self) -> Path:
        return self.farm / "archives/merged"

    def stop(self) -> None:
        unmount(str(self.farm))

    def bake(self, layer: str) -> None:
        self.stop()
        self.cache.harvest(str(self.upper))
        self.cache.keep_lists(layer)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    made: list[Machine] = []

    def make(*layers: str, served: str = index(GOOD), sources: str = "deb") -> Machine:
        made.append(Machine(tmp_path, f"m{len(made)}", layers, served, sources))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def names(directory: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in directory.glob(pattern))


def kept(home: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((home / "cache/apt/archives").glob("*"))]


def test_download_is_given_to_the_next_machine(machine: Callable[..., Machine]) -> None:
    first = machine("base").launch()
    (first.archives / DEB).write_bytes(GOOD)
    first.bake("one")
    second = machine("base", "other").launch()
    assert (second.archives / DEB).read_bytes() == GOOD
    assert (first.updates, second.updates) == (1, 0)
    assert (second.archives / ".bakery/given").read_text() == f"/var/cache/apt/archives/{DEB}\n"


def test_archive_that_a_base_deletes_after_it_is_installed_is_kept(machine: Callable[..., Machine]) -> None:
    first = machine("base").launch()
    (first.archives / ".bakery" / DEB).write_bytes(GOOD)
    first.bake("one")
    assert (machine("base").launch().archives / DEB).read_bytes() == GOOD


def overwrite(path: Path) -> None:
    with path.open("r+b") as archive:
        archive.write(BAD)


def replace(path: Path) -> None:
    path.unlink()
    path.write_bytes(BAD)


def link_elsewhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def hang(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def write_beside(path: Path) -> None:
    (path.parent / ".bakery" / path.name).write_bytes(BAD)


@pytest.mark.parametrize("attack", [overwrite, replace, Path.unlink, link_elsewhere, hang, write_beside])
def test_no_machine_changes_what_another_gets(
    machine: Callable[..., Machine], attack: Callable[[Path], None], tmp_path: Path
) -> None:
    victim = machine("base").launch()
    (victim.archives / DEB).write_bytes(GOOD)
    victim.bake("one")
    running, attacker = machine("base").launch(), machine("base", "hostile").launch()
    attack(attacker.archives / DEB)
    assert (running.archives / DEB).read_bytes() == GOOD
    attacker.bake("two")
    assert (machine("base").launch().archives / DEB).read_bytes() == GOOD
    assert kept(tmp_path) == [GOOD]


def test_replaced_lists_go_to_nobody_but_who_stands_on_the_layer(machine: Callable[..., Machine]) -> None:
    machine("base").launch().bake("one")
    attacker = machine("base").launch()
    with (attacker.lists / "debian_Packages").open("r+") as lists:
        lists.write(index(BAD))
    (attacker.archives / DEB).write_bytes(BAD)
    os.utime(attacker.lists, (time.time() + HOUR, time.time() + HOUR))
    attacker.bake("hostile")
    for layers in (("base",), ("base", "one"), ("base", "other", "hostile")):
        other = machine(*layers).launch()
        assert (other.lists / "debian_Packages").read_text() == index(GOOD)
        assert not (other.archives / DEB).exists()
    above = machine("base", "hostile", "next").launch()
    assert above.updates == 0


def test_lists_of_a_source_that_a_role_added_are_kept_for_its_layer(machine: Callable[..., Machine]) -> None:
    machine("base").launch().bake("one")
    role = machine("base").launch()
    (role.upper / "etc/apt/sources.list.d").mkdir(parents=True)
    (role.lists / "extra_Packages").write_text(index(BAD).replace("sl", "extra"))
    (role.archives / DEB.replace("sl", "extra")).write_bytes(BAD)
    later = time.time() + 1
    os.utime(role.lists, (later, later))
    time_of_sources = (role.upper / "etc/apt").stat().st_ctime
    while time.time() <= time_of_sources + 0.01:
        os.utime(role.lists)
    role.bake("extra")
    above = machine("base", "extra", sources="deb and extra").launch()
    assert above.updates == 0
    assert sorted(path.name for path in above.archives.glob("*.deb")) == ["extra_5.02-1_amd64.deb"]
    assert names(above.lists, "*_Packages") == ["debian_Packages", "extra_Packages"]
    assert machine("base", "extra", "more", sources="deb and extra").launch().updates == 0
    assert machine("base", sources="deb and extra").launch().updates == 1


def test_lists_that_a_role_removed_are_not_kept(machine: Callable[..., Machine]) -> None:
    """A machine that is given no lists fetches them; one that is given empty ones would not."""
    role = machine("base").launch()
    role.bake("one")
    role = machine("base").launch()
    (role.lists / "debian_Packages").unlink()
    os.utime(role.lists)
    role.bake("two")
    assert (machine("base", "two").launch().lists / "debian_Packages").exists()


def test_running_machine_that_waited_gets_the_lists_that_another_fetched(
    machine: Callable[..., Machine],
) -> None:
    waiting, first = machine("base"), machine("base")
    waiting.cache.prepare(str(waiting.tree))
    (waiting.lists / "debian_Packages").symlink_to("/etc/passwd")
    first.launch()
    assert not waiting.cache.refresh(waiting, max_age_s=HOUR)
    assert (waiting.lists / "debian_Packages").read_text() == index(GOOD)
    assert not (waiting.lists / "debian_Packages").is_symlink()


def test_lists_are_taken_from_a_running_machine_as_copies(machine: Callable[..., Machine]) -> None:
    first = machine("base").launch()
    with (first.lists / "debian_Packages").open("r+") as lists:
        lists.write(index(BAD))
    assert (machine("base").launch().lists / "debian_Packages").read_text() == index(GOOD)


def test_old_lists_are_fetched_anew(machine: Callable[..., Machine]) -> None:
    first = machine("base").launch()
    first.bake("one")
    (lists,) = (first.home / "cache/apt/lists").glob("*/lists")
    os.utime(lists, (time.time() - 25 * HOUR,) * 2)
    assert machine("base").launch().updates == 1
    assert machine("base").launch().updates == 0


def test_lists_that_a_role_had_to_update_are_fetched_at_the_next_launch(
    machine: Callable[..., Machine],
) -> None:
    """Else every bake of a role that wants them from the last hour updates them again."""
    machine("base").launch().bake("one")
    (lists,) = (machine("base").home / "cache/apt/lists").glob("*/lists")
    os.utime(lists, (time.time() - 2 * HOUR,) * 2)
    role = machine("base").launch()
    assert role.updates == 0
    os.utime(role.lists)
    role.bake("two")
    assert machine("base").launch().updates == 1


def test_what_a_machine_did_to_its_directories_harms_nobody(machine: Callable[..., Machine]) -> None:
    hostile = machine("base").launch()
    for path in (hostile.lists / "partial", hostile.archives / ".bakery"):
        for child in path.iterdir():
            child.unlink()
        path.rmdir()
        path.symlink_to("/etc")
    (hostile.archives / "x_1_amd64.deb").mkdir()
    with (hostile.archives / "y_1_amd64.deb").open("wb") as bomb:
        bomb.truncate(1 << 40)
    with (hostile.lists / "bomb_Packages").open("wb") as bomb:
        bomb.truncate(1 << 40)
    hostile.bake("two")
    assert machine("base", "two").launch().updates == 0
    assert names(machine("base").launch().lists, "*_Packages") == ["debian_Packages"]


def test_machine_whose_sources_are_beyond_bounds_has_lists_of_its_own(
    machine: Callable[..., Machine],
) -> None:
    machine("base").launch().bake("one")
    odd = machine("base", "odd")
    (odd.tree / "etc/apt/x.list").symlink_to("/opt/x.list")
    odd.launch()
    (odd.archives / DEB).write_bytes(GOOD)
    odd.bake("two")
    assert odd.updates == 1
    assert kept(odd.home) == []
    assert machine("base", "odd", "two").launch().updates == 0


def test_update_that_fails_is_told(machine: Callable[..., Machine]) -> None:
    class Offline(Machine):
        def run(self, command: Sequence[str], *, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
            return subprocess.CompletedProcess(command, 100, b"", b"E: Failed to fetch deb.example\n")

    offline = Offline(machine("base").home, "offline", ("base",))
    try:
        with pytest.raises(MachineFailure, match=r"fetched in the machine: Failed to fetch deb\.example"):
            offline.launch()
    finally:
        offline.stop()
