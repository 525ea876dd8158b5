"""Every run of a role set is told what it must not say, whether it has to do with vaults or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bakery.flows.machines import verify_again
from bakery.model.project import VaultIdentity, VaultSpec, VaultText
from bakery.model.run import Run, RunResult
from bakery.ports import TaskWatch
from tests.unit.builders import project, role_set, role_source
from tests.unit.fake_target import CHECKS_FAIL, FakeAnsible
from tests.unit.flows.workplace import Workplace

SEALED = VaultText("sealed in a file")
OPENED = "opened by a task"


@pytest.fixture
def shop(tmp_path: Path) -> Workplace:
    of = project(role_set("web", "nginx", "app"), vault=VaultSpec((VaultIdentity("vault.py"),)))
    place = Workplace(of, tmp_path)
    place.roles["nginx"] = role_source("nginx", sealed=(SEALED,))
    place.make_base()
    return place


def known(place: Workplace) -> list[tuple[str, set[str]]]:
    """Each run and what it knew."""
    return [
        (run.playbook, {one.ciphertext for one in (*run.secrets.needed, *run.secrets.others)})
        for run in place.ansible.runs
    ]


def test_runs_with_and_without_roles_know_the_secrets_of_the_role_set(shop: Workplace) -> None:
    shop.bake_one("web")
    assert {frozenset(texts) for _, texts in known(shop)} == {frozenset({SEALED.ciphertext})}
    assert all(run.secrets.vault == shop.project.vault for run in shop.ansible.runs)


def test_cached_layers_hide_as_much_as_baked_ones(shop: Workplace) -> None:
    tell_what_was_opened(shop)
    shop.bake_one("web")
    shop.forget_diary()
    checks = {str(path): "changed" for path in shop.world().check_digests}
    shop.changes["check_digests"] = checks
    shop.ansible.checks["web"] = CHECKS_FAIL
    shop.bake_one("web")
    assert known(shop) == [("image.yml", {SEALED.ciphertext, OPENED})]
    assert OPENED in {one.ciphertext for one in shop.ansible.runs[0].secrets.needed}


def test_a_role_above_hides_what_one_below_opened(shop: Workplace) -> None:
    tell_what_was_opened(shop)
    shop.bake_one("web")
    assert [OPENED in texts for _, texts in known(shop)] == [False, True, True]


def test_verifying_an_image_hides_what_was_opened_when_it_was_baked(shop: Workplace) -> None:
    tell_what_was_opened(shop)
    shop.bake_one("web")
    shop.forget_diary()
    (image,) = shop.catalog.images()
    verify_again(shop.kitchen.hiding(shop.plan("web").sets[0].secrets), image, ())
    assert known(shop) == [("verify.yml", {SEALED.ciphertext, OPENED})]


def test_the_report_is_written_from_what_was_handed_up(shop: Workplace) -> None:
    kept: list[tuple[Path, Any]] = []
    shop.kitchen = replace(shop.kitchen, keep_report=lambda path, report: kept.append((path, report)))
    results = [{"check": "test_a", "outcome": "passed", "seconds": 0.1, "message": ""}]
    shop.ansible.checks["web"] = {"passed": 1, "failed": 0, "skipped": 0, "failures": [], "results": results}
    result = shop.bake_one("web")
    ((path, report),) = kept
    assert result.checks
    assert result.checks.report == str(path)
    assert path.parent == shop.kitchen.home / "reports"
    assert report == {"passed": 1, "failed": 0, "skipped": 0, "checks": results}


def tell_what_was_opened(shop: Workplace) -> None:
    """The layer of the first role says that something was opened that nobody had named."""
    shop.ansible = Opening(shop.cancel, shop.diary.write)
    shop.kitchen = replace(shop.kitchen, ansible=shop.ansible)


class Opening(FakeAnsible):
    """A target whose role ``nginx`` finds a vault by itself."""

    def _step(self, run: Run, watch: TaskWatch, cancelled: Callable[[], bool]) -> RunResult:
        result = super()._step(run, watch, cancelled)
        layer = result.up.get("layer", {})
        if not str(layer.get("id")).startswith("nginx"):
            return result
        return replace(result, up={**result.up, "layer": {**layer, "vaults": [OPENED]}})
