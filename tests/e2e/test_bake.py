"""``bakery bake`` from end to end with the container target."""

from __future__ import annotations

import re

import pytest

from tests.e2e.conftest import NOTHING, Kitchen

pytestmark = pytest.mark.e2e


def test_a_role_set_becomes_a_verified_image_and_nothing_stays(kitchen: Kitchen) -> None:
    result = kitchen.bake("note").result
    assert result["status"] == "baked"
    assert [layer["role"] for layer in result["layers"]] == ["paper", "ink"]
    assert [layer["cached"] for layer in result["layers"]] == [False, False]
    assert result["checks"]["passed"] == 4
    assert result["checks"]["failed"] == 0
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", result["artifact"]["digest"])
    assert kitchen.leftovers() == NOTHING


def test_an_unchanged_role_set_is_not_baked_again(kitchen: Kitchen) -> None:
    first = kitchen.bake("note").result
    second = kitchen.bake("note").result
    assert second["status"] == "unchanged"
    assert second["artifact"] == first["artifact"]


def test_a_changed_last_role_reuses_the_layers_below(kitchen: Kitchen) -> None:
    first = kitchen.bake("note").result
    template = kitchen.project / "roles" / "ink" / "templates" / "letter.j2"
    template.write_text("written in {{ ink_colour }}, again\n")
    second = kitchen.bake("note").result
    assert [layer["cached"] for layer in second["layers"]] == [True, False]
    assert second["layers"][0]["digest"] == first["layers"][0]["digest"]
    assert second["artifact"]["digest"] != first["artifact"]["digest"]


def test_a_change_without_effect_is_cut_off(kitchen: Kitchen) -> None:
    """The first role changes, its result does not: the second is not applied again."""
    kitchen.bake("note")
    tasks = kitchen.project / "roles" / "paper" / "tasks" / "main.yml"
    tasks.write_text(tasks.read_text() + "\n# a remark\n")
    second = kitchen.bake("note").result
    assert [layer["cached"] for layer in second["layers"]] == [False, True]


def test_role_sets_share_a_prefix_and_bake_side_by_side(kitchen: Kitchen) -> None:
    results = kitchen.bake("note", "letter", "--jobs", "2").document["results"]
    assert [one["status"] for one in results] == ["baked", "baked"]
    note, letter = (one["layers"] for one in results)
    assert note[0]["id"] == letter[0]["id"] if "id" in note[0] else note[0]["digest"] == letter[0]["digest"]
    assert sorted([note[0]["cached"], letter[0]["cached"]]) == [False, True]
    assert kitchen.leftovers() == NOTHING


def test_baking_again_gives_the_same_digest(kitchen: Kitchen) -> None:
    first = kitchen.bake("note").result
    again = kitchen.bake("note", "--rebake").result
    assert [one["cached"] for one in again["layers"]] == [False, False]
    assert [one["digest"] for one in again["layers"]] == [one["digest"] for one in first["layers"]]
    assert again["artifact"]["digest"] == first["artifact"]["digest"]


def test_a_failing_task_is_named_and_can_be_looked_into(kitchen: Kitchen) -> None:
    text = (kitchen.project / "bakery.yml").read_text()
    (kitchen.project / "bakery.yml").write_text(
        text.replace("ink_colour: blue", "ink_colour: blue, ink_fails: true")
    )
    outcome = kitchen.bake("note", code=3)
    error = outcome.result["error"]
    assert "role 'ink', task 'Spill': the ink ran out" in str(error)
    assert "roles/ink/tasks/main.yml:15" in str(error)
    assert kitchen.leftovers() == NOTHING
    inside = kitchen.run("shell", "note", "--", "cat", "/srv/drawer/letter.txt")
    assert inside.stdout == "written in blue\n"
    assert kitchen.leftovers() == NOTHING


def test_a_failing_check_leaves_no_verified_image(kitchen: Kitchen) -> None:
    check = kitchen.project / "checks" / "test_machine.py"
    check.write_text("def test_red(host):\n    assert host.file('/srv/red').exists\n")
    outcome = kitchen.bake("note", code=4)
    assert outcome.result["status"] == "failed"
    assert outcome.result["checks"]["failed"] == 1
    assert "test_red" in str(outcome.result["error"])
    images = kitchen.run("images", "--json").document
    assert outcome.result["fingerprint"] not in str(images)
    assert kitchen.leftovers() == NOTHING
    # The layers are good: with the check mended only the image is verified.
    check.write_text("def test_green(host):\n    assert not host.file('/srv/red').exists\n")
    mended = kitchen.bake("note").result
    assert [one["cached"] for one in mended["layers"]] == [True, True]
