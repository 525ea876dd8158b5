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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever stands in tests/e2e and tests/ec2world needs root and real engines."""
    for item in items:
        for place in ("e2e", "ec2world"):
            if item.path.is_relative_to(REPOSITORY / "tests" / place):
                item.add_marker(pytest.mark.e2e)


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
def ec2_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The session's account of AWS; its base image is made once for all workers."""
    from tests.ec2world.world import World  # moto takes seconds to import

    directory = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        directory = directory.parent
    # Whoever works on this keeps the base image from run to run.
    home = Path(os.environ.get("BAKERY_TEST_EC2_HOME", directory / "ec2"))
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
