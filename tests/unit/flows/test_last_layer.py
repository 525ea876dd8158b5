"""The last layer of an image and the image: one process makes both, where nothing comes between them."""

from __future__ import annotations

from pathlib import Path

from bakery.model.progress import LayerReady, SetStage, Stage
from bakery.model.result import Status
from tests.unit.builders import project, role_set, role_source
from tests.unit.fake_target import CHECKS_FAIL, task_failure
from tests.unit.flows.workplace import Workplace

TOGETHER = "last_layer.yml"


def test_one_process_makes_the_last_layer_and_the_image(web: Workplace) -> None:
    web.bake_one()
    assert web.ansible.playbooks == ["layer.yml", TOGETHER]


def test_image_knows_every_layer(web: Workplace) -> None:
    web.bake_one()
    told = web.ansible.variables_of("image web")
    made = [record.id for record in web.catalog.layers().values()]
    assert told["bakery_layers"][1:] == made
    assert [step["layer"] for step in told["bakery_image"]["history"]] == made


def test_image_over_cached_layers_gets_a_process_of_its_own(web: Workplace) -> None:
    web.ansible.checks["web"] = CHECKS_FAIL
    web.bake_one()
    web.forget_diary()
    web.bake_one()
    assert web.ansible.playbooks == ["image.yml"]


def test_layer_that_another_role_set_waits_for_is_made_alone(tmp_path: Path) -> None:
    place = Workplace(
        project(role_set("web", "common", "nginx"), role_set("api", "common", "nginx", "app")), tmp_path
    )
    place.make_base()
    place.bake("web", "api")
    assert place.ansible.playbooks == ["layer.yml", "layer.yml", "image.yml", TOGETHER]


def test_layer_that_is_to_be_compared_is_made_alone(web: Workplace) -> None:
    web.bake_one()
    web.ansible.playbooks.clear()
    web.bake_one(rebake=True)
    assert TOGETHER not in web.ansible.playbooks


def test_machine_that_is_kept_gets_a_process_of_its_own(web: Workplace) -> None:
    """It must not belong to the process that baked it."""
    web.bake_one(keep_machine=True)
    assert web.ansible.playbooks == ["layer.yml", "layer.yml", "image.yml"]


def test_layer_is_recorded_before_its_image_is_begun(web: Workplace) -> None:
    """A bake that is killed while the image boots must not lose the layer."""
    known: list[int] = []
    web.ansible.before = lambda label: (
        known.append(len(web.catalog.layers())) if label == "image web" else None
    )
    web.bake_one()
    assert known == [2]


def test_layer_stays_when_its_image_fails(web: Workplace) -> None:
    web.ansible.failures["image web"] = task_failure(None, "disk full", play="Capture an image")
    assert web.bake_one().status is Status.FAILED
    del web.ansible.failures["image web"]
    web.ansible.playbooks.clear()
    assert web.bake_one().status is Status.BAKED
    assert web.ansible.playbooks == ["image.yml"]


def test_only_the_machine_that_ran_is_discarded_when_the_role_fails(web: Workplace) -> None:
    web.ansible.failures["layer nginx"] = task_failure("nginx")
    web.bake_one()
    assert web.ansible.labels()[-2:] == ["layer nginx", "discard"]
    assert web.catalog.open_machines() == ()


def test_watcher_hears_of_the_layer_before_the_capture(web: Workplace) -> None:
    web.bake_one()
    heard = [
        event.role if isinstance(event, LayerReady) else event.stage
        for event in web.events
        if isinstance(event, LayerReady | SetStage)
    ]
    assert heard[-3:] == ["nginx", Stage.CAPTURE, Stage.DONE]


def test_changed_role_in_the_middle_is_no_last_layer(web: Workplace) -> None:
    web.bake_one()
    web.ansible.playbooks.clear()
    web.roles["common"] = role_source("common", {"tasks/main.yml": "0 changed"})
    web.ansible.contents["common"] = "changed"
    web.bake_one()
    assert web.ansible.playbooks == ["layer.yml", TOGETHER]
