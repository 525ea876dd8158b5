"""``bakery sweep`` and ``bakery prune``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bakery.flows.kitchen import KEEPING, KEPT
from bakery.flows.upkeep import Keep, PrunePlan, SweepRequest, plan_prune, prune, sweep
from bakery.model.records import Attempt, MachineEntry
from tests.unit.builders import TARGET, base, base_record, image_record, layer_record
from tests.unit.fake_target import task_failure
from tests.unit.flows.workplace import OWNER, Workplace

DEAD = replace(OWNER, bake="dead", pid=999)
EVERYTHING = Keep(last=100, max_size=None)


def machine(name: str, **changes: Any) -> MachineEntry:
    entry = MachineEntry(name, TARGET, OWNER, "bake", "web", "2024-05-01T00:00:00Z")
    return replace(entry, **changes)


def alive(owner: Any) -> bool:
    return bool(owner != DEAD)


def request(*, dry_run: bool = False, kept: bool = False) -> SweepRequest:
    return SweepRequest((TARGET,), alive, dry_run, kept)


def plan_of(place: Workplace, keep: Keep, wanted: frozenset[str] = frozenset()) -> PrunePlan:
    return plan_prune(place.kitchen, TARGET, wanted_bases=wanted, keep=keep)


def digest(image: Any) -> str:
    return str(image.artifact["digest"])


# ── sweep ────────────────────────────────────────────────────────────────────────────────────────


def test_a_sweep_closes_only_entries_of_the_dead(web: Workplace) -> None:
    web.catalog.open_machine(machine("live"))
    web.catalog.open_machine(machine("dead", owner=DEAD))
    (swept,) = sweep(web.kitchen, request())
    assert swept.journal == ("dead",)
    assert [one.id for one in web.catalog.open_machines()] == ["live"]


def test_a_sweep_leaves_the_journal_of_other_targets(web: Workplace) -> None:
    web.catalog.open_machine(machine("dead", owner=DEAD, target="elsewhere"))
    (swept,) = sweep(web.kitchen, request())
    assert swept.journal == ()
    assert len(web.catalog.open_machines()) == 1


def test_a_target_that_cannot_be_swept_keeps_no_other_from_it(web: Workplace) -> None:
    web.catalog.open_machine(machine("dead", owner=DEAD))
    web.ansible.failures["sweep"] = task_failure(None, "nobody answers")
    broken, whole = sweep(web.kitchen, replace(request(), targets=(TARGET, "elsewhere")))
    assert broken.error is not None
    assert "nobody answers" in str(broken.error)
    assert [one.id for one in web.catalog.open_machines()] == ["dead"]
    assert whole.target == "elsewhere"
    assert web.ansible.labels() == ["sweep", "sweep"]


def test_a_dry_sweep_closes_nothing(web: Workplace) -> None:
    web.catalog.open_machine(machine("dead", owner=DEAD))
    (swept,) = sweep(web.kitchen, request(dry_run=True))
    assert swept.journal == ("dead",)
    assert web.ansible.variables_of("sweep")["bakery_dry_run"] is True
    assert len(web.catalog.open_machines()) == 1


def test_entries_close_after_the_target_removed_what_they_stand_for(web: Workplace) -> None:
    web.catalog.open_machine(machine("dead", owner=DEAD))
    sweep(web.kitchen, request())
    assert web.diary.lines[-2:] == ["run sweep", "close bake"]


def test_a_kept_machine_outlives_its_bake_until_it_is_asked_for(web: Workplace) -> None:
    web.catalog.open_machine(machine("mine", owner=DEAD, purpose=KEPT))
    (swept,) = sweep(web.kitchen, request())
    assert (swept.journal, swept.kept) == ((), ())
    assert web.ansible.labels() == ["sweep"]
    (swept,) = sweep(web.kitchen, request(kept=True))
    assert swept.kept == ("mine",)
    assert web.ansible.variables_of("discard")["bakery_machine_id"] == "mine"
    assert web.catalog.open_machines() == ()


def test_a_dry_sweep_only_names_kept_machines(web: Workplace) -> None:
    web.catalog.open_machine(machine("mine", owner=DEAD, purpose=KEPT))
    (swept,) = sweep(web.kitchen, request(kept=True, dry_run=True))
    assert swept.kept == ("mine",)
    assert web.ansible.labels() == ["sweep"]


def test_a_kept_machine_whose_time_is_over_leaves_the_journal(web: Workplace) -> None:
    web.catalog.open_machine(machine("mine", owner=DEAD, purpose=KEPT))
    web.ansible.reports["sweep"] = {"machines": ["mine"]}
    sweep(web.kitchen, request())
    assert web.catalog.open_machines() == ()


def test_a_machine_that_was_to_be_kept_by_a_killed_bake_is_discarded(web: Workplace) -> None:
    """The target was told of no owner, so it would spare it for a day."""
    web.catalog.open_machine(machine("half", owner=DEAD, purpose=KEEPING))
    (swept,) = sweep(web.kitchen, request())
    assert swept.journal == ("half",)
    assert web.ansible.labels() == ["discard", "sweep"]


# ── what a prune keeps ───────────────────────────────────────────────────────────────────────────


def stock(place: Workplace, **sizes: int) -> None:
    """Images ``web1``, ``web2``, … of the set their letters name, oldest first, with a layer each."""
    for number, (name, size) in enumerate(sizes.items()):
        place.catalog.add_layer(layer_record(name, size=size))
        place.catalog.add_image(
            image_record(
                name.rstrip("0123456789"),
                fingerprint=name,
                layers=(f"key of {name}",),
                made=f"2024-01-{number + 1:02d}T00:00:00Z",
            )
        )


def kept_names(plan: PrunePlan) -> list[str]:
    return [one.removeprefix("layer-") for one in plan.keep_layers if one.startswith("layer-")]


def test_the_newest_images_of_each_role_set_stay(web: Workplace) -> None:
    stock(web, web1=1, web2=1, db1=1, web3=1)
    plan = plan_of(web, Keep(last=2, max_size=None))
    assert [one.fingerprint for one in plan.images] == ["web1"]
    assert [one.role for one in plan.layers] == ["web1"]
    assert kept_names(plan) == ["db1", "web2", "web3"]


def test_keeping_more_than_there_are_keeps_all(web: Workplace) -> None:
    stock(web, web1=1, web2=1)
    assert plan_of(web, Keep(last=5, max_size=None)).images == ()


def test_keeping_none_removes_every_image(web: Workplace) -> None:
    stock(web, web1=1, web2=1)
    assert len(plan_of(web, Keep(last=0, max_size=None)).images) == 2


def test_a_budget_keeps_the_newest_that_fit(web: Workplace) -> None:
    stock(web, web1=50, db1=50, web2=60)
    plan = plan_of(web, Keep(last=100, max_size=110))
    assert kept_names(plan) == ["db1", "web2"]


def test_a_budget_skips_what_does_not_fit_for_what_does(web: Workplace) -> None:
    stock(web, web1=10, db1=100, web2=60)
    assert kept_names(plan_of(web, Keep(last=100, max_size=80))) == ["web1", "web2"]


def test_a_budget_counts_a_shared_layer_once(web: Workplace) -> None:
    web.catalog.add_layer(layer_record("common", size=100))
    for name in ("web", "db"):
        web.catalog.add_image(image_record(name, layers=("key of common",)))
    assert plan_of(web, Keep(last=1, max_size=100)).images == ()


def test_of_images_of_one_second_a_budget_keeps_the_later(web: Workplace) -> None:
    for name in ("web1", "web2"):
        web.catalog.add_layer(layer_record(name, size=60))
        web.catalog.add_image(image_record("web", fingerprint=name, layers=(f"key of {name}",)))
    assert kept_names(plan_of(web, Keep(last=100, max_size=100))) == ["web2"]


def test_a_layer_of_no_image_goes(web: Workplace) -> None:
    web.catalog.add_layer(layer_record("orphan"))
    assert [one.role for one in plan_of(web, EVERYTHING).layers] == ["orphan"]


def test_two_records_of_one_artifact_stay_or_go_together(web: Workplace) -> None:
    """Checks that changed give a second record of the same bytes."""
    first = image_record("web")
    web.catalog.add_image(first)
    web.catalog.add_image(replace(first, checks_digest="other"))
    plan = plan_of(web, Keep(last=1, max_size=None))
    assert plan.images == ()
    assert plan.keep_images == (digest(first),)


def test_images_and_layers_of_other_targets_are_left_alone(web: Workplace) -> None:
    web.catalog.add_layer(layer_record("far", target="elsewhere"))
    web.catalog.add_image(image_record("web", target="elsewhere"))
    plan = plan_of(web, Keep(last=0, max_size=None))
    assert (plan.images, plan.layers) == ((), ())


def test_a_base_that_the_project_wants_stays(web: Workplace) -> None:
    (record,) = web.catalog.bases().values()
    plan = plan_of(web, Keep(last=0, max_size=None), frozenset({record.spec}))
    assert plan.keep_bases == (record.digest,)
    assert plan.keep_layers == record.layer_ids


def test_a_base_below_a_kept_image_stays(web: Workplace) -> None:
    web.bake_one()
    (record,) = web.catalog.bases().values()
    assert plan_of(web, EVERYTHING).keep_bases == (record.digest,)


def test_a_base_that_nothing_uses_goes(web: Workplace) -> None:
    assert plan_of(web, EVERYTHING).keep_bases == ()


def test_layers_of_a_renewed_base_stay_while_an_image_lies_on_them(web: Workplace) -> None:
    """The catalog knows the new base alone."""
    web.bake_one()
    (old,) = web.catalog.bases().values()
    web.catalog.add_base(base_record(base(), digest="renewed", layers=({"id": "base-renewed"},)))
    assert set(old.layer_ids) <= set(plan_of(web, EVERYTHING).keep_layers)


def attempt(**changes: Any) -> Attempt:
    made = Attempt(
        role_set="web",
        target=TARGET,
        stage="role",
        role="nginx",
        layers=("base-bookworm-1", "layer-common"),
        epoch=0,
        base_digest="content of bookworm",
        kept="web-null",
        artifact=None,
        message="it broke",
        made="2024-05-01T00:00:00Z",
    )
    return replace(made, **changes)


def test_layers_below_a_failed_role_stay(web: Workplace) -> None:
    web.catalog.add_layer(layer_record("common"))
    web.catalog.add_attempt(attempt())
    plan = plan_of(web, EVERYTHING)
    assert plan.layers == ()
    assert plan.keep_layers == ("base-bookworm-1", "layer-common")


def test_an_image_whose_checks_failed_stays_to_be_looked_into(web: Workplace) -> None:
    web.catalog.add_attempt(attempt(artifact={"digest": "sha256:unverified"}, kept=None, role=None))
    assert plan_of(web, EVERYTHING).keep_images == ("sha256:unverified",)


# ── pruning ──────────────────────────────────────────────────────────────────────────────────────


def test_the_catalog_forgets_before_the_store_removes(web: Workplace) -> None:
    """Killed in between, the store has too much, never the catalog."""
    stock(web, web1=1, web2=1)
    web.forget_diary()
    prune(web.kitchen, plan_of(web, Keep(last=1, max_size=None)), dry_run=False)
    forgotten, run = web.diary.lines[:-1], web.diary.lines[-1]
    assert run == "run prune"
    assert {line.split(" ")[0] for line in forgotten} == {"forget-images", "forget-layers", "forget-bases"}
    assert [one.fingerprint for one in web.catalog.images()] == ["web2"]
    assert [one.role for one in web.catalog.layers().values()] == ["web2"]
    assert len(web.catalog.bases()) == 1


def test_the_store_is_told_what_stays(web: Workplace) -> None:
    stock(web, web1=1)
    plan = plan_of(web, EVERYTHING)
    prune(web.kitchen, plan, dry_run=False)
    told = web.ansible.variables_of("prune")
    assert told["bakery_keep_layers"] == list(plan.keep_layers) != []
    assert told["bakery_keep_images"] == list(plan.keep_images) != []
    assert told["bakery_dry_run"] is False


def test_a_dry_prune_forgets_nothing(web: Workplace) -> None:
    stock(web, web1=1)
    web.forget_diary()
    prune(web.kitchen, plan_of(web, Keep(last=0, max_size=None)), dry_run=True)
    assert web.diary.lines == ["run prune"]
    assert web.ansible.variables_of("prune")["bakery_dry_run"] is True


def test_nothing_is_baked_again_after_a_prune_that_kept_its_image(web: Workplace) -> None:
    web.bake_one()
    prune(web.kitchen, plan_of(web, Keep(last=1, max_size=None)), dry_run=False)
    web.forget_diary()
    web.bake_one()
    assert web.ansible.runs == []
