"""A disk that is full or read-only: a sentence, a clean store, and a bake once there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.e2e.conftest import NOTHING, Kitchen, Outcome
from tests.e2e.small_project import clone_home, edit_check, write, write_project

pytestmark = pytest.mark.e2e

MIB = 1 << 20
FILL = """\
---
- name: Write {mib} MiB that nothing compresses
  ansible.builtin.command:
    cmd: dd if=/dev/urandom of=/srv/heavy bs=1M count={mib}
    creates: /srv/heavy
"""


@dataclass(frozen=True)
class Disk:
    """A file system of its own with a home on it."""

    kitchen: Kitchen

    @property
    def place(self) -> Path:
        return self.kitchen.home.parent

    @property
    def layers(self) -> list[str]:
        return sorted(path.name for path in (self.kitchen.home / "container" / "layers").iterdir())

    @property
    def left(self) -> int:
        status = os.statvfs(self.place)
        return status.f_bavail * status.f_frsize

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Leave so many bytes free."""
        ballast = self.place / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.left - size)
        try:
            yield
        finally:
            ballast.unlink()

    def bake_in_vain(self, *, code: int, on_error: str = "discard") -> Outcome:
        """A bake that fails, in one sentence, and leaves nothing."""
        before = self.layers
        outcome = self.kitchen.run("bake", "--on-error", on_error, "heavy", code=code)
        assert self.kitchen.leftovers() == NOTHING
        assert self.layers == before
        assert list(self.kitchen.home.glob("container/oci/**/*.partial")) == []
        return outcome


@contextmanager
def mounted(place: Path, size: int) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "bakery-test", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def kitchen(home: Path, bakery_command: Path, tmp_path: Path) -> Kitchen:
    roles = {"dot": write("/srv/dot", "dot"), "heavy": FILL.format(mib=24)}
    project = write_project(tmp_path / "project", roles, {"dot": "dot", "heavy": "heavy"})
    return Kitchen(command=bakery_command, home=home, project=project)


@pytest.fixture
def disk(kitchen: Kitchen, tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk", 1024 * MIB) as place:
        yield Disk(clone_home(kitchen, place / "home"))


def test_a_disk_that_fills_up(disk: Disk) -> None:
    """While a role writes, while its layer is packed, and while its image is captured."""
    with disk.room(12 * MIB):
        outcome = disk.bake_in_vain(code=3, on_error="keep")
        assert disk.left > 10 * MIB
    assert "nothing is kept of the machine" in outcome.stdout
    assert "No space left on device" in outcome.stderr
    assert "role 'heavy', task 'Write 24 MiB" in outcome.stderr

    with disk.room(36 * MIB):
        outcome = disk.bake_in_vain(code=5)
    assert "No space left on device" in outcome.stderr

    assert disk.kitchen.bake("heavy").result["status"] == "baked"

    edit_check(disk.kitchen.project)
    with disk.room(0):
        outcome = disk.kitchen.run("bake", "heavy", code=5)
    assert "no space left" in outcome.stderr
    assert disk.kitchen.leftovers() == NOTHING
    result = disk.kitchen.bake("heavy").result
    assert (result["status"], result["layers"][0]["cached"]) == ("baked", True)


def test_a_store_that_cannot_be_written(disk: Disk) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk.place], check=True)
    outcome = disk.kitchen.run("bake", "heavy", code=5)
    assert f"cannot write to {disk.kitchen.home}" in outcome.stderr
    subprocess.run(["mount", "-o", "remount,rw", disk.place], check=True)
    assert disk.kitchen.leftovers() == NOTHING
    assert disk.kitchen.bake("heavy").result["status"] == "baked"
    subprocess.run(["mount", "-o", "remount,ro", disk.place], check=True)
    assert disk.kitchen.bake("heavy").result["status"] == "unchanged"


def test_a_disk_too_small_for_the_base(kitchen: Kitchen, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", 64 * MIB) as place:
        small = replace(kitchen, home=place / "home")
        outcome = small.run("bake", "dot", code=5)
        assert "there is no space left for it" in outcome.stderr
        assert small.leftovers() == NOTHING
