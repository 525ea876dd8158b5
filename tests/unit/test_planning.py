"""What a plan says: what is cached, what is baked and why."""

from __future__ import annotations

import builtins
import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from bakery.errors import InputError
from bakery.model.plan import Plan
from bakery.planning import content_after, differences, layer_key, plan, wanted_sets
from tests.unit.builders import (
    ROOT,
    TARGET,
    after_baking,
    image_record,
    plan_all,
    plan_one,
    project,
    role_set,
    role_source,
    role_use,
    world,
)

WEB = project(role_set("web", "common", "nginx"))
SHARED = project(role_set("web", "common", "hardening", "nginx"), role_set("db", "common", "hardening", "pg"))


def changed(role: str, text: str = "0 changed") -> Any:
    return role_source(role, {"tasks/main.yml": text})


# ── caching ───────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_cached_before_the_first_bake() -> None:
    one = plan_one(WEB, world(WEB))
    assert [node.use.name for node in one.to_bake] == ["common", "nginx"]
    assert [node.why for node in one.nodes] == ["never baked", "never baked"]
    assert one.why == "never baked"
    assert not plan_all(WEB, world(WEB)).unchanged


def test_everything_is_cached_after_a_bake() -> None:
    baked = plan_all(WEB, after_baking(WEB, world(WEB)))
    assert baked.unchanged
    (one,) = baked.sets
    assert one.to_bake == ()
    assert one.image is not None
    assert one.why == f"verified {one.image.made}"
    assert {node.why for node in one.nodes} == {"baked 2024-04-02T00:00:00Z"}


def test_a_missing_base_leaves_every_key_open() -> None:
    one = plan_one(WEB, replace(world(WEB), bases={}))
    assert one.base_record is None
    assert [node.key for node in one.nodes] == [None, None]


def test_only_the_first_role_to_bake_has_a_key() -> None:
    assert [node.key is not None for node in plan_one(WEB, world(WEB)).nodes] == [True, False]


def test_a_changed_role_leaves_the_roles_below_it_cached() -> None:
    baked = after_baking(WEB, world(WEB))
    one = plan_one(WEB, replace(baked, roles={**baked.roles, "nginx": changed("nginx")}))
    assert [node.use.name for node in one.to_bake] == ["nginx"]
    assert one.nodes[1].why == "file nginx/tasks/main.yml changed"
    assert one.why == "the recipe changed"


def test_a_role_above_a_changed_one_waits_for_what_comes_out() -> None:
    baked = after_baking(WEB, world(WEB))
    one = plan_one(WEB, replace(baked, roles={**baked.roles, "common": changed("common")}))
    assert [node.use.name for node in one.to_bake] == ["common", "nginx"]
    assert one.nodes[1].key is None
    assert one.nodes[1].why == "reused if what is below it comes out the same"


def test_the_same_content_from_a_changed_role_keeps_the_roles_above_cached() -> None:
    """Early cutoff: a key holds what its parent is, not how it was made."""
    contents = {"common": "same bytes", "nginx": "nginx"}
    baked = after_baking(WEB, world(WEB), contents)
    edited = replace(baked, roles={**baked.roles, "common": changed("common")})
    one = plan_one(WEB, after_baking(WEB, edited, contents))
    assert one.to_bake == ()
    before = plan_one(WEB, baked)
    assert one.nodes[0].key != before.nodes[0].key
    assert one.nodes[1].key == before.nodes[1].key


def test_other_content_from_a_changed_role_rebakes_the_roles_above() -> None:
    baked = after_baking(WEB, world(WEB), {"common": "before"})
    edited = replace(baked, roles={**baked.roles, "common": changed("common")})
    only_common = project(role_set("web", "common"))
    half = after_baking(only_common, edited, {"common": "after"})
    one = plan_one(WEB, half)
    assert [node.use.name for node in one.to_bake] == ["nginx"]
    assert one.nodes[1].why == "what is below it changed"


def test_a_layer_of_another_target_is_not_reused() -> None:
    baked = after_baking(WEB, world(WEB))
    elsewhere = {("elsewhere", key): record for (_, key), record in baked.layers.items()}
    assert len(plan_one(WEB, replace(baked, layers=elsewhere)).to_bake) == 2


def test_a_layers_key_is_what_a_bake_computes() -> None:
    """The flow computes keys as it goes; both must agree."""
    one = plan_one(WEB, after_baking(WEB, world(WEB)))
    assert one.base_record
    first, second = one.nodes
    assert first.cached
    assert first.key == layer_key(one.base_record.digest, first.recipe)
    assert second.key == layer_key(content_after(one.base_record.digest, first.cached), second.recipe)


# ── the trie ──────────────────────────────────────────────────────────────────────────────────────


def test_a_shared_prefix_has_the_same_chain_in_two_role_sets() -> None:
    web, db = plan_all(SHARED, world(SHARED)).sets
    assert [node.chain for node in web.nodes[:2]] == [node.chain for node in db.nodes[:2]]
    assert web.nodes[2].chain != db.nodes[2].chain


def test_a_variable_that_a_shared_role_names_parts_the_role_sets() -> None:
    first, second = (
        role_set(name, role_use("common", vars={"zone": zone}), "top")
        for name, zone in (("web", "UTC"), ("db", "CET"))
    )
    of = project(first, second)
    web, db = plan_all(of, world(of)).sets
    assert not {node.chain for node in web.nodes} & {node.chain for node in db.nodes}


def test_a_node_knows_its_parent() -> None:
    (one,) = plan_all(WEB, world(WEB)).sets
    assert [node.parent for node in one.nodes] == [None, one.nodes[0].chain]


def test_the_same_role_twice_makes_two_nodes() -> None:
    of = project(role_set("web", "common", "common"))
    (one,) = plan_all(of, world(of)).sets
    assert one.nodes[0].chain != one.nodes[1].chain


def test_a_role_set_without_roles_is_its_base_and_config() -> None:
    of = project(role_set("web"))
    one = plan_one(of, world(of))
    assert one.nodes == ()
    assert one.fingerprint != plan_one(of, replace(world(of), bases={})).fingerprint


def test_roles_that_depend_on_each_other_are_planned() -> None:
    of = project(role_set("web", "a"))
    at = world(of, role_source("a", uses=("b",)), role_source("b", uses=("a",)))
    (node,) = plan_one(of, at).nodes
    assert set(node.inputs["trees"]) == {"a", "b"}


# ── checks ────────────────────────────────────────────────────────────────────────────────────────


def test_checks_are_those_of_the_roles_then_those_of_the_set() -> None:
    of = project(role_set("web", "common", "nginx", checks=(ROOT / "checks/web",)))
    assert plan_one(of, world(of)).checks == (
        "/project/roles/common/checks",
        "/project/roles/nginx/checks",
        "/project/checks/web",
    )


def test_a_check_named_twice_runs_once() -> None:
    of = project(role_set("web", "common", checks=(ROOT / "roles/common/checks",)))
    assert plan_one(of, world(of)).checks == ("/project/roles/common/checks",)


def test_changed_checks_mean_verification_alone() -> None:
    baked = after_baking(WEB, world(WEB))
    one = plan_one(WEB, replace(baked, check_digests=dict.fromkeys(baked.check_digests, "other")))
    assert one.to_bake == ()
    assert one.image is None
    assert one.why == "the checks changed"


def test_checks_that_changed_back_find_their_image_again() -> None:
    baked = after_baking(WEB, world(WEB))
    edited = replace(baked, check_digests=dict.fromkeys(baked.check_digests, "other"))
    again = replace(after_baking(WEB, edited), check_digests=baked.check_digests)
    assert plan_one(WEB, again).image == baked.images[0]


def test_an_image_of_another_role_set_or_target_is_no_answer() -> None:
    baked = after_baking(WEB, world(WEB))
    (image,) = baked.images
    for other in (replace(image, role_set="api"), replace(image, target="elsewhere")):
        one = plan_one(WEB, replace(baked, images=(other,)))
        assert one.image is None
        assert one.why == "never baked"


def test_the_newest_of_equal_images_answers() -> None:
    baked = after_baking(WEB, world(WEB))
    newer = replace(baked.images[0], made="2030-01-01T00:00:00Z")
    assert plan_one(WEB, replace(baked, images=(*baked.images, newer))).image == newer


def test_a_plan_is_unchanged_only_if_every_role_set_is() -> None:
    baked = after_baking(SHARED, world(SHARED))
    assert plan_all(SHARED, baked).unchanged
    without_db = replace(baked, images=tuple(one for one in baked.images if one.role_set == "web"))
    assert not plan_all(SHARED, without_db).unchanged
    assert Plan(sets=plan_all(SHARED, without_db).sets[:1]).unchanged


# ── pure ──────────────────────────────────────────────────────────────────────────────────────────


def test_equal_inputs_give_equal_plans() -> None:
    assert plan_all(SHARED, world(SHARED)) == plan_all(SHARED, world(SHARED))


def test_role_sets_are_planned_in_the_order_asked_for() -> None:
    pairs = (("db", TARGET), ("web", TARGET))
    assert [one.role_set.name for one in plan(SHARED, pairs, world(SHARED)).sets] == ["db", "web"]


def test_planning_does_no_io(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 2. The paths in the project do not exist either."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("planning touched the file system")

    at = after_baking(SHARED, world(SHARED))
    for module, name in ((builtins, "open"), (io, "open"), (os, "open"), (os, "stat"), (os, "listdir")):
        monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(Path, "open", refuse)
    first = plan_all(SHARED, at)
    monkeypatch.undo()
    assert first.unchanged


# ── wanted sets ───────────────────────────────────────────────────────────────────────────────────

MANY = project(
    role_set("web", "common", targets=("one", "two")),
    role_set("db", "common", targets=("one",)),
)


def test_every_role_set_is_wanted_if_none_is_named() -> None:
    assert wanted_sets(MANY, ()) == (("web", "one"), ("web", "two"), ("db", "one"))


def test_named_role_sets_are_wanted_once_in_their_order() -> None:
    assert wanted_sets(MANY, ("db", "web", "db")) == (("db", "one"), ("web", "one"), ("web", "two"))


def test_targets_narrow_what_is_wanted() -> None:
    assert wanted_sets(MANY, ("web",), ("two",)) == (("web", "two"),)


def test_a_target_that_a_set_does_not_have_is_refused() -> None:
    with pytest.raises(InputError) as refusal:
        wanted_sets(MANY, ("db",), ("two",))
    assert str(refusal.value) == "bakery.yml:1: role set 'db' has no target 'two'; it has one"


# ── why ───────────────────────────────────────────────────────────────────────────────────────────

WHYS = [
    ({}, {}, ()),
    ({"variables": {"port": "1"}}, {"variables": {"port": "2"}}, ("variable port changed",)),
    ({"variables": {}}, {"variables": {"b": "1", "a": "1"}}, ("variables a, b changed",)),
    ({"files": {"r/tasks/main.yml": "1"}}, {"files": {}}, ("file r/tasks/main.yml changed",)),
    (
        {"files": {}},
        {"files": dict.fromkeys("abcdef", "1")},
        ("files a, b, c, d and 2 more changed",),
    ),
    ({"inputs": {"ca.pem": "1"}}, {"inputs": {"ca.pem": "2"}}, ("input ca.pem changed",)),
    ({"ansible_core": "2.19.0"}, {"ansible_core": "2.19.1"}, ("ansible-core changed",)),
    ({"collections": "a"}, {"collections": "b"}, ("a collection changed",)),
    ({"architecture": "amd64"}, {"architecture": "arm64"}, ("the architecture changed",)),
    ({"packages": 1}, {"packages": None}, ("the freshness window changed",)),
    ({"format": 1}, {"format": 2}, ("bakery's layer format changed",)),
    (
        {"variables": {"a": "1"}, "format": 1},
        {"variables": {"a": "2"}, "format": 2},
        ("variable a changed", "bakery's layer format changed"),
    ),
]


@pytest.mark.parametrize(("old", "new", "words"), WHYS)
def test_differences_are_sentence_fragments(old: Any, new: Any, words: tuple[str, ...]) -> None:
    assert differences(old, new) == words


def test_why_compares_with_the_nearest_layer_of_the_role() -> None:
    old = after_baking(WEB, world(WEB, changed("nginx", "0 old"), changed("common", "0 old")))
    newer = after_baking(WEB, replace(world(WEB), layers=old.layers))
    edited = replace(newer, toolchain=replace(newer.toolchain, ansible_core="2.20.0"))
    assert plan_one(WEB, edited).nodes[0].why == "ansible-core changed"


def test_a_role_of_the_same_name_on_another_base_is_below_changed() -> None:
    baked = after_baking(WEB, world(WEB))
    (key, record), *_ = baked.bases.items()
    one = plan_one(WEB, replace(baked, bases={key: replace(record, digest="renewed")}))
    assert one.nodes[0].why == "what is below it changed"


def test_an_image_of_an_older_recipe_is_a_changed_recipe() -> None:
    one = plan_one(WEB, replace(world(WEB), images=(image_record("web"),)))
    assert one.why == "the recipe changed"


def test_a_plan_says_that_latest_is_another_projects_image() -> None:
    of = project(role_set("web", "nginx"))
    baked = after_baking(of, world(of))
    (ours,) = baked.images
    theirs = image_record("web", fingerprint="f" * 64, project="other")
    assert plan_one(of, replace(baked, images=(theirs, ours))).latest_of is None
    after = plan_one(of, replace(baked, images=(ours, theirs)))
    assert (after.image, after.latest_of) == (ours, "other")
    before = plan_one(of, replace(baked, images=(theirs,)))
    assert (before.image, before.latest_of, before.why) == (None, "other", "never baked")
