"""Fixtures every kind of test shares: where things are, and an engine configuration that fits the machine."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever stands in tests/e2e needs root and real engines."""
    for item in items:
        if item.path.is_relative_to(REPOSITORY / "tests" / "e2e"):
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
