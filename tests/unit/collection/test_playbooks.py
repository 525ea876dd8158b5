"""The playbook for use without the command line does what the command line's playbooks do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible_collections.bakery.images
import yaml

PLAYBOOKS = Path(ansible_collections.bakery.images.__path__[0], "playbooks")
CHECKS = "bakery.images.testinfra"


def tasks_with(module: str, inside: Any) -> Iterator[dict[str, Any]]:
    """The arguments of every task that uses the module, in blocks too."""
    if isinstance(inside, list):
        for item in inside:
            yield from tasks_with(module, item)
    elif isinstance(inside, dict):
        if module in inside:
            yield inside[module]
        for value in inside.values():
            yield from tasks_with(module, value)


def checks_in(playbook: str) -> dict[str, Any]:
    (task,) = tasks_with(CHECKS, yaml.safe_load((PLAYBOOKS / playbook).read_text(encoding="utf-8")))
    return task


def test_a_bake_by_playbook_is_checked_as_strictly() -> None:
    baked, verified = checks_in("bake.yml"), checks_in("verify.yml")
    assert baked.keys() == verified.keys()
    for name in ("container", "failed_units", "strict"):
        assert baked[name] == verified[name]
