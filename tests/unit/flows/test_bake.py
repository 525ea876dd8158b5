"""One bake of one role set: what runs, in which order, and what is remembered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bakery.errors import ExitCode
from bakery.flows.images import UnverifiedImage
from bakery.flows.kitchen import KEPT
from bakery.model.progress import LayerReady, SetStage, SetTask, Stage
from bakery.model.project import ImageSpec
from bakery.model.records import Attempt
from bakery.model.result import Status
from tests.unit.builders import TARGET, image_record, project, role_set, role_source, role_use
from tests.unit.fake_target import CHECKS_FAIL, CHECKS_NONE
from tests.unit.flows.workplace import OWNER, Workplace


def changed(role: str) -> dict[str, Any]:
    return {role: role_source(role, {"tasks/main.yml": "0 changed"})}


def attempt_at(web: Workplace) -> Attempt:
    (attempt,) = web.catalog.attempts()
    return attempt


# ── a fresh bake ──────────────────────────────────────────────────────────────────────────────────


def test_a_fresh_bake_makes_the_base_then_each_layer_then_the_image(tmp_path: Path) -> None:
    place = Workplace(project(role_set("web", "common", "nginx")), tmp_path)
    result = place.bake_one()
    assert result.status is Status.BAKED
    assert place.ansible.labels() == ["base bookworm", "layer common", "layer nginx", "image web"]


def test_every_machine_is_journalled_before_its_run_and_closed_after(web: Workplace) -> None:
    """Invariant 5."""
    web.bake_one()
    assert web.diary.of("open", "run", "close") == [
        "open bake",
        "run layer common",
        "close bake",
        "open verify",
        "open bake",
        "run layer nginx",
        "run image web",
        "close bake",
        "close verify",
    ]
    assert web.catalog.open_machines() == ()
    assert web.ansible.machines == set()


def test_the_journal_names_the_machine_that_runs(web: Workplace) -> None:
    seen = []

    def look(_: str) -> None:
        run = web.ansible.runs[-1]
        machine = run.variables["bakery_machine_id"]
        (entry,) = (one for one in web.catalog.open_machines() if one.id == machine)
        seen.append((entry.purpose, entry.owner, entry.role_set))

    web.ansible.before = look
    web.bake_one()
    assert seen == [(purpose, OWNER, "web") for purpose in ("bake", "bake", "verify")]


def test_every_machine_has_an_id_of_its_own(web: Workplace) -> None:
    web.bake_one()
    ids = [run.variables["bakery_machine_id"] for run in web.ansible.runs]
    assert len(set(ids)) == 3


def test_each_role_lies_on_the_base_and_the_layers_before_it(web: Workplace) -> None:
    web.bake_one()
    (base,) = web.catalog.bases().values()
    common = web.ansible.variables_of("layer common")
    nginx = web.ansible.variables_of("layer nginx")
    assert common["bakery_parents"] == list(base.layer_ids)
    assert nginx["bakery_parents"][:-1] == list(base.layer_ids)
    assert nginx["bakery_parents"][-1].startswith("common-")
    image = web.ansible.variables_of("image web")
    assert image["bakery_layers"][:-1] == nginx["bakery_parents"]
    assert image["bakery_layers"][-1].startswith("nginx-")


def test_a_run_applies_exactly_one_role(web: Workplace) -> None:
    web.bake_one()
    provisions = [run.provision for run in web.ansible.runs]
    assert [one.uses[0].name if one else None for one in provisions] == ["common", "nginx", None]


def test_every_run_is_told_home_target_and_owner(web: Workplace) -> None:
    web.bake_one()
    for run in web.ansible.runs:
        assert run.variables["bakery_home"] == str(web.kitchen.home)
        assert run.variables["bakery_target"] == TARGET
        assert run.variables["bakery_owner"] == {"bake": "bake-1", "pid": 100, "start": 5, "boot": "boot-1"}


def test_variables_of_roles_never_travel_as_extra_variables(tmp_path: Path) -> None:
    """Invariant 7: they may be secrets."""
    of = project(role_set("web", role_use("nginx", vars={"token": "s3cret"}, set_vars={"other": "s3cret"})))
    place = Workplace(of, tmp_path)
    place.bake_one()
    assert all("s3cret" not in repr(run.variables) for run in place.ansible.runs)


def test_a_verified_image_is_recorded_with_what_made_it(web: Workplace) -> None:
    result = web.bake_one()
    (record,) = web.catalog.images()
    (base,) = web.catalog.bases().values()
    assert record.fingerprint == result.fingerprint == web.plan().sets[0].fingerprint
    assert record.artifact == result.artifact
    assert [web.catalog.layers()[TARGET, key].role for key in record.layers] == ["common", "nginx"]
    assert record.base_digest == base.digest
    assert record.inputs["base_layers"] == list(base.layer_ids)
    assert record.names == ("web:latest", f"web:{record.fingerprint[:12]}")
    assert (record.checks.passed, record.checks.failed) == (3, 0)


def test_the_image_is_told_its_config_without_what_the_base_decides(tmp_path: Path) -> None:
    image = ImageSpec(cmd=("serve",), env={"PORT": "80"}, compression="zstd")
    place = Workplace(project(role_set("web", "app", image=image)), tmp_path)
    place.bake_one()
    told = place.ansible.variables_of("image web")["bakery_image"]
    assert told["config"] == {"cmd": ("serve",), "env": {"PORT": "80"}}
    assert told["compression"] == "zstd"
    assert told["base_config"] == {"Env": ["PATH=/usr/bin"]}


def test_the_history_has_one_entry_per_role(web: Workplace) -> None:
    web.bake_one()
    history = web.ansible.variables_of("image web")["bakery_image"]["history"]
    assert [entry["created_by"] for entry in history] == [
        "bakery: role common 1.0.0",
        "bakery: role nginx 1.0.0",
    ]


def test_an_image_records_its_ancestry(tmp_path: Path) -> None:
    place = Workplace(project(role_set("api", "common", ancestry=("web", "plain"))), tmp_path)
    place.bake_one("api")
    (record,) = place.catalog.images()
    assert record.ancestry == ("web", "plain")
    annotations = place.ansible.variables_of("image api")["bakery_image"]["annotations"]
    assert annotations["io.bakery.ancestry"] == "web,plain"


def test_a_role_set_without_roles_is_an_image_of_its_base(tmp_path: Path) -> None:
    place = Workplace(project(role_set("plain", checks=(Path("/project/checks"),))), tmp_path)
    assert place.bake_one("plain").status is Status.BAKED
    assert place.ansible.labels() == ["base bookworm", "image plain"]


def test_the_watcher_sees_stages_tasks_and_layers_in_order(web: Workplace) -> None:
    web.bake_one()
    stages = [(e.stage, e.role, e.done) for e in web.events if isinstance(e, SetStage)]
    assert stages == [
        (Stage.ROLE, "common", 0),
        (Stage.ROLE, "nginx", 1),
        (Stage.CAPTURE, None, 2),
        (Stage.DONE, None, 2),
    ]
    ready = [(e.role, e.cached) for e in web.events if isinstance(e, LayerReady)]
    assert ready == [("common", False), ("nginx", False)]
    assert {e.role_set for e in web.events if isinstance(e, SetTask)} == {"web"}


# ── again ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_unchanged_bake_runs_no_ansible_and_opens_no_machine(web: Workplace) -> None:
    first = web.bake_one()
    web.forget_diary()
    again = web.bake_one()
    assert again.status is Status.UNCHANGED
    assert web.diary.lines == []
    assert (again.artifact, again.fingerprint, again.names) == (
        first.artifact,
        first.fingerprint,
        first.names,
    )
    assert [(one.role, one.cached, one.seconds) for one in again.layers] == [
        ("common", True, 0.0),
        ("nginx", True, 0.0),
    ]


def test_a_changed_last_role_costs_that_role_and_the_image(web: Workplace) -> None:
    web.bake_one()
    web.forget_diary()
    web.roles = changed("nginx")
    result = web.bake_one()
    assert web.ansible.labels() == ["layer nginx", "image web"]
    assert [one.cached for one in result.layers] == [True, False]


def test_a_changed_first_role_with_the_same_outcome_keeps_the_next_layer(web: Workplace) -> None:
    """Early cutoff."""
    web.bake_one()
    web.forget_diary()
    web.roles = changed("common")
    web.bake_one()
    assert web.ansible.labels() == ["layer common", "image web"]


def test_a_changed_first_role_with_another_outcome_bakes_the_next_role_again(web: Workplace) -> None:
    web.bake_one()
    web.forget_diary()
    web.roles = changed("common")
    web.ansible.contents["common"] = "other bytes"
    web.bake_one()
    assert web.ansible.labels() == ["layer common", "layer nginx", "image web"]


def test_changed_checks_run_on_the_image_without_baking(web: Workplace) -> None:
    web.bake_one()
    web.forget_diary()
    digests = dict.fromkeys(web.world().check_digests, "other checks")
    web.changes = {"check_digests": digests}
    assert web.bake_one().status is Status.BAKED
    assert web.ansible.labels() == ["image web"]
    assert len(web.catalog.images()) == 2


def test_an_image_whose_files_are_gone_is_made_again(web: Workplace, tmp_path: Path) -> None:
    web.bake_one()
    (record,) = web.catalog.images()
    web.catalog.forget_images(TARGET, (record.artifact["digest"],))
    gone = {**record.artifact, "paths": [str(tmp_path / "gone")]}
    web.catalog.add_image(replace(record, artifact=gone))
    web.forget_diary()
    assert web.bake_one().status is Status.BAKED
    assert web.ansible.labels() == ["image web"]


# ── checks ────────────────────────────────────────────────────────────────────────────────────────


def test_failed_checks_leave_no_record_but_an_attempt(web: Workplace) -> None:
    web.ansible.checks["web"] = CHECKS_FAIL
    result = web.bake_one()
    assert result.status is Status.FAILED
    assert isinstance(result.error, UnverifiedImage)
    assert result.error.exit_code is ExitCode.CHECKS_FAILED
    assert str(result.error) == (
        "1 of 3 checks of 'web' failed, first test_nginx.py::test_serves: assert 502 == 200; "
        "look inside with 'bakery shell web'"
    )
    assert result.checks is not None
    assert (result.checks.passed, result.checks.failed) == (2, 1)
    assert web.catalog.images() == ()
    attempt = attempt_at(web)
    assert (attempt.stage, attempt.role, attempt.artifact) == ("verify", None, result.artifact)


def test_the_layers_of_an_image_with_failed_checks_stay_cached(web: Workplace) -> None:
    web.ansible.checks["web"] = CHECKS_FAIL
    web.bake_one()
    web.forget_diary()
    web.bake_one()
    assert web.ansible.labels() == ["image web"]


def test_an_image_without_any_check_is_refused(web: Workplace) -> None:
    web.ansible.checks["web"] = CHECKS_NONE
    result = web.bake_one()
    assert str(result.error) == (
        "role set 'web' has no checks, so nothing verified it; "
        "add a checks/ folder to a role, or 'checks:' to the role set"
    )
    assert web.catalog.images() == ()


def test_a_verified_image_clears_the_failed_attempt(web: Workplace) -> None:
    web.ansible.checks["web"] = CHECKS_FAIL
    web.bake_one()
    del web.ansible.checks["web"]
    assert web.bake_one().status is Status.BAKED
    assert web.catalog.attempts() == ()


def test_an_unchanged_bake_clears_the_failed_attempt(web: Workplace) -> None:
    """`bakery shell` opens the last bake: it no longer failed once the change that broke it is undone."""
    web.bake_one()
    web.roles = changed("nginx")
    web.ansible.checks["web"] = CHECKS_FAIL
    web.bake_one()
    web.roles = {}
    assert web.bake_one().status is Status.UNCHANGED
    assert web.catalog.attempts() == ()


# ── keep ──────────────────────────────────────────────────────────────────────────────────────────


def test_keep_leaves_the_verified_machine_running_and_in_the_journal(web: Workplace) -> None:
    result = web.bake_one(keep_machine=True)
    (entry,) = web.catalog.open_machines()
    assert entry.purpose == KEPT
    assert result.machine == {"id": entry.id}
    assert web.ansible.machines == {entry.id}
    assert "bakery_owner" not in web.ansible.variables_of("image web")


def test_keep_leaves_the_machine_of_a_refused_image_too(web: Workplace) -> None:
    web.ansible.checks["web"] = CHECKS_FAIL
    result = web.bake_one(keep_machine=True)
    assert result.status is Status.FAILED
    assert result.machine is not None
    assert web.ansible.machines == {result.machine["id"]}


def test_without_keep_no_machine_is_in_the_result(web: Workplace) -> None:
    assert web.bake_one().machine is None


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_plan(shared: Workplace, jobs: int) -> None:
    assert [one.role_set for one in shared.bake("db", "web", jobs=jobs)] == ["db", "web"]


def test_an_unchanged_image_is_not_called_latest_after_another_project_took_the_name(web: Workplace) -> None:
    names = web.bake_one().names
    assert web.bake_one().names == names
    web.catalog.add_image(image_record("web", fingerprint="f" * 64, project="other"))
    again = web.bake_one()
    assert (again.status, again.names) == (Status.UNCHANGED, tuple(n for n in names if ":latest" not in n))
    assert again.names
