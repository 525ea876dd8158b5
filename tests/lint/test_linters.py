"""The linters. One test each, so that one run shows every tool's findings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.lint.conftest import Tool

pytestmark = pytest.mark.lint


def test_ruff_finds_nothing(run_tool: Tool) -> None:
    run_tool("ruff", "check", "--quiet", "--output-format=concise", ".")


def test_sources_are_formatted(run_tool: Tool) -> None:
    run_tool("ruff", "format", "--check", "--quiet", "--diff", ".")


def test_types_hold(run_tool: Tool) -> None:
    run_tool("mypy", "--no-error-summary")


def test_imports_run_one_way(run_tool: Tool) -> None:
    run_tool("lint-imports", "--no-logo")


def test_yaml_is_tidy(run_tool: Tool) -> None:
    run_tool("yamllint", "--strict", ".")


def test_ansible_content_follows_the_production_profile(run_tool: Tool, tmp_path: Path) -> None:
    run_tool(
        "ansible-lint",
        "--offline",
        "--strict",
        "-q",
        environment={"ANSIBLE_HOME": str(tmp_path), "ANSIBLE_COLLECTIONS_PATH": "collections"},
    )


def test_shell_scripts_are_sound(run_tool: Tool, project_files: tuple[Path, ...]) -> None:
    scripts = [str(path) for path in project_files if os.access(path, os.X_OK) and _is_shell(path)]
    assert scripts
    run_tool("shellcheck", *scripts)


def _is_shell(path: Path) -> bool:
    first = path.read_bytes().split(b"\n", 1)[0]
    return first.startswith(b"#!") and first.endswith((b"/sh", b"bash", b"env sh"))
