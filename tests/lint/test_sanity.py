"""`ansible-test sanity` over the collection, in a copy of its own and without containers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.lint.conftest import Tool

pytestmark = [pytest.mark.lint, pytest.mark.slow]


@pytest.fixture
def collection_copy(tmp_path: Path, repository: Path, project_files: tuple[Path, ...]) -> Path:
    """The collection in a repository of its own: ansible-test looks only at what git tracks there."""
    source = repository / "collections" / "ansible_collections" / "bakery" / "images"
    copy = tmp_path / "ansible_collections" / "bakery" / "images"
    for path in project_files:
        if path.is_relative_to(source):
            target = copy / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    subprocess.run(["git", "add", "--all"], cwd=copy, check=True)
    return copy


@pytest.fixture
def ansible_test_home() -> Path:
    """A home whose cache lets ansible-test make its environments with the pip that Python itself carries.

    It would otherwise fetch a bootstrap script from its own file server. The home lies in the environment so
    that its tools are installed once, and go when the environment goes.
    """
    home = Path(sys.prefix) / "share" / "ansible-test"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    script = cache / f"get_pip_{_bootstrap_pip_version().replace('.', '_')}.py"
    script.write_text("import ensurepip\nensurepip.bootstrap(upgrade=True)\n")
    return home


def test_collection_passes_ansible_test_sanity(
    run_tool: Tool, collection_copy: Path, ansible_test_home: Path
) -> None:
    run_tool(
        "ansible-test",
        "sanity",
        "--local",
        f"--python={sys.version_info.major}.{sys.version_info.minor}",
        "--color=no",
        cwd=collection_copy,
        environment={"HOME": str(ansible_test_home)},
    )


def _bootstrap_pip_version() -> str:
    spec = find_spec("ansible_test")
    assert spec
    assert spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0]) / "_internal" / "python_requirements.py"
    version = re.search(r"\bpip='([\d.]+)'", source.read_text())
    assert version, f"{source} no longer states which pip it bootstraps"
    return version.group(1)
