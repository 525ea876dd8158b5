"""What the static checks share: how a tool is run, and which files count."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Tool = Callable[..., None]


@pytest.fixture(scope="session")
def run_tool(repository: Path, bin_directory: Path) -> Tool:
    """Run a tool in the checkout; its output is the failure's message."""

    def run(*argv: str, cwd: Path = repository, environment: dict[str, str] | None = None) -> None:
        path = f"{bin_directory}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "NO_COLOR": "1"} | (environment or {})
        done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"{' '.join(argv[:3])} …\n{done.stdout}{done.stderr}", pytrace=False)

    return run


@pytest.fixture(scope="session")
def project_files(repository: Path) -> tuple[Path, ...]:
    """Files that git tracks or would track, so that a file is checked before its first commit."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        check=True,
    ).stdout
    paths = (repository / os.fsdecode(name) for name in listing.split(b"\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


@pytest.fixture(scope="session")
def python_files(project_files: tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(path for path in project_files if path.suffix == ".py")
