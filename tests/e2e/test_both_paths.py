"""A task gives the same result through the warm executor as through a Python of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.machines import Machines
from tests.e2e.same_results import differences, make_much, run_play

pytestmark = pytest.mark.slow

PATHS = {"warm": "on", "ordinary": "off"}


@pytest.fixture(scope="module")
def told(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The play's run by path."""
    much = make_much(tmp_path_factory.mktemp("both_paths"))
    machines.launch("path-first")  # the others then find package lists of the same age
    return {
        path: run_play(machines.launch(f"path-{path}"), executor, much) for path, executor in PATHS.items()
    }


def test_every_task_comes_to_the_same(told: dict[str, Any]) -> None:
    assert not differences(told["warm"], told["ordinary"])


def test_the_play_succeeds_and_fails(told: dict[str, Any]) -> None:
    statuses = [one["status"] for one in told["warm"]["results"]]
    assert statuses.count("ok") > 50
    assert statuses.count("failed") > 5
    assert statuses.count("item failed") > 5


def test_only_one_of_them_used_the_executor(told: dict[str, Any]) -> None:
    warm, ordinary = (told[path]["output"] for path in PATHS)
    assert warm.count(" EXECUTOR python") > 50
    assert " EXECUTOR python" not in ordinary
    assert " EXECUTOR shell" not in ordinary


def test_what_the_executor_may_not_do_took_the_ordinary_path(told: dict[str, Any]) -> None:
    """Other users, background jobs, settings that matter to a Python that starts, another interpreter."""
    assert "ordinary path: it wants another interpreter" in told["warm"]["output"]
    for task in ("As the user", "A background job", "What a module finds in another locale"):
        part = told["warm"]["output"].partition(f"TASK [{task}]")[2].partition("TASK [")[0]
        assert "ordinary path: the command is not one for the executor's Python" in part, task


def test_fifty_megabytes_come_back_as_they_went(told: dict[str, Any]) -> None:
    assert told["warm"]["back"]
    assert told["ordinary"]["back"]


def test_both_paths_leave_the_same_files(told: dict[str, Any]) -> None:
    assert told["warm"]["leftovers"] == told["ordinary"]["leftovers"]


def test_nothing_was_said_of_a_fault(told: dict[str, Any]) -> None:
    assert "tasks run slower" not in told["warm"]["output"]
