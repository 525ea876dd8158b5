"""Fixtures every kind of test shares: where things are, and an engine configuration that fits the machine."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.ec2world.world import World

REPOSITORY = Path(__file__).resolve().parent.parent
# The directories whose files take long, in the order in which they begin. Files that take a moment come after
# them, so that all workers end at about the same time. While one worker makes a base that many tests share,
# the others still have the linters to run.
_LONG = ("lint", "contract", "ec2world", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what takes long. Whatever is in tests/e2e and tests/ec2world needs root and real engines."""
    items.sort(key=_turn)
    for item in items:
        for place in ("e2e", "ec2world"):
            if item.path.is_relative_to(REPOSITORY / "tests" / place):
                item.add_marker(pytest.mark.e2e)


def _turn(item: pytest.Item) -> int:
    places = [REPOSITORY / "tests" / name for name in _LONG]
    return next((n for n, place in enumerate(places) if item.path.is_relative_to(place)), len(places))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def bin_directory() -> Path:
    """The directory of the environment's commands: bakery, ansible-playbook, ruff, …"""
    return Path(sys.executable).parent


@pytest.fixture(scope="session")
def containers_conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A containers.conf that lets plain `podman` start containers on this kernel and under these limits.

    For the podman that a test calls itself, never for bakery's: bakery has to find out on its own. Without
    cgroup v2 crun and the systemd cgroup manager fail; limits above our own hard ones are refused.
    """
    limits = []
    for name, kind in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        hard = resource.getrlimit(kind)[1]
        # Far below the hard limit: without CAP_SYS_RESOURCE some kernels refuse a process limit near it.
        limit = 1024 if hard == resource.RLIM_INFINITY else min(hard, 1024)
        limits.append(f'"{name}={limit}:{limit}"')
    text = f"[containers]\ndefault_ulimits = [{', '.join(limits)}]\n"
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        text += '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\n'
    path = tmp_path_factory.mktemp("containers") / "containers.conf"
    path.write_text(text)
    return path


@pytest.fixture(scope="session")
def podman_environment(containers_conf: Path) -> dict[str, str]:
    """The environment for a test's own calls of podman."""
    return os.environ | {"CONTAINERS_CONF": str(containers_conf)}


@pytest.fixture(scope="session")
def podman(podman_environment: dict[str, str]) -> str:
    """The path of podman; a test that needs it fails where it is missing, it does not skip."""
    path = shutil.which("podman", path=podman_environment.get("PATH"))
    assert path, "podman is not installed; run `make setup`"
    return path


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of the session have in common."""
    directory = tmp_path_factory.getbasetemp()
    return directory.parent if "PYTEST_XDIST_WORKER" in os.environ else directory


@pytest.fixture(scope="session")
def ec2_world(shared_directory: Path) -> Iterator[World]:
    """The session's account of AWS; its base image is made once for all workers."""
    from tests.ec2world.world import World  # moto takes seconds to import

    # Whoever works on this keeps the base image from run to run.
    home = Path(os.environ.get("BAKERY_TEST_EC2_HOME", shared_directory / "ec2"))
    with World(home) as world:
        yield world


@pytest.fixture
def world(ec2_world: World) -> Iterator[World]:
    """The account, empty and without faults; whatever a test leaves there is gone after it."""
    ec2_world.forget()
    yield ec2_world
    broken = ec2_world.broken
    ec2_world.forget()
    ec2_world.empty_account()
    assert not broken, "\n".join(broken)
