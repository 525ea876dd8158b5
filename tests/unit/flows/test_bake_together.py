"""Several role sets in one bake, and several bakes at once."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from bakery.errors import ExitCode
from bakery.model.progress import LayerReady, SetTask
from bakery.model.result import Status
from tests.unit.builders import TARGET, base, layer_record, project, role_set
from tests.unit.fake_target import task_failure
from tests.unit.flows.workplace import Workplace, keep

PATIENCE_S = 30.0  # until a test that should not hang fails


# ── a shared prefix ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_shared_layer_is_baked_once(shared: Workplace, jobs: int) -> None:
    results = shared.bake(jobs=jobs)
    assert [one.status for one in results] == [Status.BAKED] * 2
    assert sorted(shared.ansible.labels()) == [
        "image db",
        "image web",
        "layer common",
        "layer nginx",
        "layer postgresql",
    ]
    commons = [one.layers[0] for one in results]
    assert commons[0].id == commons[1].id
    assert sorted(one.cached for one in commons) == [False, True]


def test_branches_above_a_shared_layer_run_side_by_side(shared: Workplace) -> None:
    """Both branches meet at a barrier: were they baked one after the other, it would break."""
    meeting = threading.Barrier(2, timeout=PATIENCE_S)

    def meet(label: str) -> None:
        if label in {"layer nginx", "layer postgresql"}:
            meeting.wait()

    shared.ansible.before = meet
    assert [one.status for one in shared.bake(jobs=2)] == [Status.BAKED] * 2


def test_one_job_bakes_one_role_set_after_the_other(shared: Workplace) -> None:
    shared.bake(jobs=1)
    assert shared.ansible.labels() == [
        "layer common",
        "layer nginx",
        "image web",
        "layer postgresql",
        "image db",
    ]


def test_a_role_set_waits_for_a_shared_layer_that_another_one_bakes(shared: Workplace) -> None:
    """The run of the shared layer ends only once the other role set has asked for it too."""
    asked = _count_askers(shared, 2)
    shared.ansible.before = lambda label: _wait(asked) if label == "layer common" else None
    results = shared.bake(jobs=2)
    assert [one.status for one in results] == [Status.BAKED] * 2
    assert shared.ansible.labels().count("layer common") == 1


def test_a_failed_shared_layer_fails_every_role_set_that_waits_for_it(shared: Workplace) -> None:
    asked = _count_askers(shared, 2)
    shared.ansible.before = lambda label: _wait(asked) if label == "layer common" else None
    shared.ansible.failures["layer common"] = task_failure("common")
    results = shared.bake(jobs=2)
    assert [one.error.exit_code for one in results if one.error] == [ExitCode.PROVISION_FAILED] * 2
    assert sorted(shared.ansible.labels()) == ["discard", "layer common"]


def test_a_failed_branch_does_not_fail_its_sibling(shared: Workplace) -> None:
    shared.ansible.failures["layer nginx"] = task_failure("nginx")
    web, db = shared.bake(jobs=2)
    assert (web.status, db.status) == (Status.FAILED, Status.BAKED)
    assert [one.role_set for one in shared.catalog.images()] == ["db"]


def test_both_role_sets_see_the_tasks_of_the_layer_they_share(shared: Workplace) -> None:
    shared.bake()
    seen = {(e.role_set, e.task.role) for e in shared.events if isinstance(e, SetTask)}
    assert seen == {("web", "common"), ("db", "common"), ("web", "nginx"), ("db", "postgresql")}


def test_the_second_role_set_reports_the_shared_layer_as_cached(shared: Workplace) -> None:
    shared.bake()
    ready = [(e.role_set, e.role, e.cached) for e in shared.events if isinstance(e, LayerReady)]
    assert ("web", "common", False) in ready
    assert ("db", "common", True) in ready


def test_an_unchanged_role_set_beside_a_changed_one_stays_unchanged(shared: Workplace) -> None:
    shared.bake("web")
    shared.forget_diary()
    assert [one.status for one in shared.bake()] == [Status.UNCHANGED, Status.BAKED]
    assert shared.ansible.labels() == ["layer postgresql", "image db"]


def test_a_kept_failure_is_named_after_the_role_set_that_baked_it(shared: Workplace) -> None:
    shared.ansible.failures["layer postgresql"] = task_failure("postgresql")
    shared.bake(on_failure=keep)
    assert shared.ansible.variables_of("discard")["bakery_keep_as"] == "db-null"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_kept_failure_of_a_shared_role_can_be_looked_into_by_each_name(
    shared: Workplace, jobs: int
) -> None:
    shared.ansible.failures["layer common"] = task_failure("common")
    results = shared.bake(on_failure=keep, jobs=jobs)
    assert [one.kept for one in results] == [True, True]
    attempts = {one.role_set: one.kept for one in shared.catalog.attempts()}
    assert attempts.keys() == {"web", "db"}
    assert len(set(attempts.values())) == 1


def _count_askers(place: Workplace, number: int) -> threading.Event:
    """Set once ``number`` role sets have entered their first role."""
    asked, guard, seen = threading.Event(), threading.Lock(), set[str]()
    watch = place.kitchen.watch

    def look(event: object) -> None:
        watch(event)  # type: ignore[arg-type]
        with guard:
            if getattr(event, "role", None) == "common":
                seen.add(getattr(event, "role_set", ""))
            if len(seen) >= number:
                asked.set()

    place.kitchen = replace(place.kitchen, watch=look)
    return asked


def _wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S), "the other role set never came"


# ── another process ──────────────────────────────────────────────────────────────────────────────


def test_a_layer_that_another_process_baked_meanwhile_is_reused(web: Workplace) -> None:
    node = web.plan().sets[0].nodes[0]
    assert node.key
    theirs = layer_record("common", key=node.key, id="theirs")
    web.locks.meanwhile["layer-"] = lambda: web.catalog.add_layer(theirs)
    result = web.bake_one()
    assert web.ansible.labels() == ["layer nginx", "image web"]
    assert (result.layers[0].id, result.layers[0].cached) == ("theirs", True)
    assert web.notes == ["role 'common' is being baked by another bake: waiting for it"]


def test_an_image_that_another_process_baked_meanwhile_is_reused(web: Workplace, tmp_path: Path) -> None:
    web.bake_one()
    (image,) = web.catalog.images()
    web.catalog.forget_images(TARGET, (image.artifact["digest"],))
    web.forget_diary()
    web.locks.meanwhile["set-"] = lambda: web.catalog.add_image(image)
    assert web.bake_one().status is Status.UNCHANGED
    assert web.ansible.runs == []
    assert web.notes == ["'web' is being baked by another bake: waiting for it"]


def test_an_image_of_another_process_whose_files_are_gone_is_not_reused(
    web: Workplace, tmp_path: Path
) -> None:
    web.bake_one()
    (image,) = web.catalog.images()
    web.catalog.forget_images(TARGET, (image.artifact["digest"],))
    web.forget_diary()
    gone = replace(image, artifact={**image.artifact, "paths": [str(tmp_path / "gone")]})
    web.locks.meanwhile["set-"] = lambda: web.catalog.add_image(gone)
    assert web.bake_one().status is Status.BAKED


def test_a_base_that_another_process_made_meanwhile_is_reused(tmp_path: Path) -> None:
    place = Workplace(project(role_set("web", "common")), tmp_path)
    other = Workplace(place.project, tmp_path)
    other.make_base()
    (theirs,) = other.catalog.bases().values()
    place.locks.meanwhile["base-"] = lambda: place.catalog.add_base(theirs)
    assert place.bake_one().status is Status.BAKED
    assert place.ansible.labels() == ["layer common", "image web"]
    assert place.notes == ["base 'bookworm' is being made by another bake: waiting for it"]


# ── bases ────────────────────────────────────────────────────────────────────────────────────────


def test_a_base_is_made_once_for_two_role_sets(tmp_path: Path) -> None:
    place = Workplace(project(role_set("web", "nginx"), role_set("db", "postgresql")), tmp_path)
    place.bake(jobs=2)
    assert place.ansible.labels().count("base bookworm") == 1
    assert place.ansible.labels()[0] == "base bookworm"


def test_two_names_of_one_base_are_one_base(tmp_path: Path) -> None:
    sets = (role_set("web", "nginx"), role_set("db", "postgresql", base="stable"))
    same = replace(base(), name="stable")
    place = Workplace(project(*sets, bases={"bookworm": base(), "stable": same}), tmp_path)
    place.bake()
    assert len([label for label in place.ansible.labels() if label.startswith("base")]) == 1


def test_a_base_that_cannot_be_made_fails_its_role_sets_and_no_other(tmp_path: Path) -> None:
    trixie = base("trixie", suite="trixie")
    sets = (role_set("web", "nginx"), role_set("db", "postgresql", base="trixie"), role_set("ci", "nginx"))
    place = Workplace(project(*sets, bases={"bookworm": base(), "trixie": trixie}), tmp_path)
    place.ansible.failures["base bookworm"] = task_failure(None, "the mirror does not answer")
    web, db, ci = place.bake()
    assert (web.status, db.status, ci.status) == (Status.FAILED, Status.BAKED, Status.FAILED)
    for failed in (web, ci):
        assert failed.error
        assert failed.error.exit_code is ExitCode.MACHINE_FAILED
        assert "the mirror does not answer" in str(failed.error)
    assert place.ansible.labels().count("base bookworm") == 1
    assert "layer nginx" not in place.ansible.labels()


def test_an_interrupted_base_starts_no_other(tmp_path: Path) -> None:
    trixie = base("trixie", suite="trixie")
    sets = (role_set("web", "nginx"), role_set("db", "postgresql", base="trixie"))
    place = Workplace(project(*sets, bases={"bookworm": base(), "trixie": trixie}), tmp_path)
    place.ansible.before = lambda _: place.cancel.request()
    results = place.bake()
    assert [one.error.exit_code for one in results if one.error] == [ExitCode.INTERRUPTED] * 2
    assert place.ansible.labels() == ["base bookworm", "discard"]
