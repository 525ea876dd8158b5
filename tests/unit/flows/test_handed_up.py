"""A target that hands up less than expected gets a sentence, and only the role set that met it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.errors import MachineError
from bakery.flows.handed_up import _SHAPES, handed_up
from bakery.flows.machines import verify_again
from bakery.model.result import Status
from bakery.model.run import HandedUp, Run, RunResult
from bakery.ports import Ansible, TaskWatch
from tests.unit.builders import project, role_set
from tests.unit.flows.workplace import Workplace

Change = Callable[[dict[str, Any]], None]


@dataclass
class Careless:
    """An Ansible whose target forgets, in the runs of one playbook."""

    ansible: Ansible
    playbook: str
    change: Change

    def run(self, run: Run, watch: TaskWatch) -> RunResult:
        if run.playbook != self.playbook:
            return self.ansible.run(run, watch)

        def see(event: object) -> None:
            watch(HandedUp(self._changed(event.up)) if isinstance(event, HandedUp) else event)

        result = self.ansible.run(run, see)
        return replace(result, up=self._changed(result.up))

    def shielded(self) -> Ansible:
        return self.ansible.shielded()

    def _changed(self, up: Mapping[str, Any]) -> dict[str, Any]:
        changed = {name: dict(value) if isinstance(value, Mapping) else value for name, value in up.items()}
        self.change(changed)
        return changed


def without(name: str, field: str | None = None) -> Change:
    def change(up: dict[str, Any]) -> None:
        (up.get(name, {}) if field else up).pop(field or name, None)

    return change


def with_odd(name: str, field: str, value: object) -> Change:
    def change(up: dict[str, Any]) -> None:
        if name in up:
            up[name][field] = value

    return change


@pytest.fixture
def shop(tmp_path: Path) -> Workplace:
    """``web`` and ``db`` on one base."""
    return Workplace(project(role_set("web", "nginx"), role_set("db", "postgresql")), tmp_path)


FORGOTTEN = [
    ("base.yml", without("base"), "nothing as 'base' in its entry point 'base'"),
    ("base.yml", without("base", "digest"), "nothing as 'base.digest' in its entry point 'base'"),
    (
        "base.yml",
        with_odd("base", "layers", [{}]),
        "something that is not a list of layers with an id each as 'base.layers' in its entry point 'base'",
    ),
    ("last_layer.yml", without("layer"), "nothing as 'layer' in its entry point 'checkpoint'"),
    ("last_layer.yml", without("layer", "size"), "nothing as 'layer.size' in its entry point 'checkpoint'"),
    (
        "last_layer.yml",
        with_odd("layer", "size", [7]),
        "something that is not a whole number as 'layer.size' in its entry point 'checkpoint'",
    ),
    ("last_layer.yml", without("artifact"), "nothing as 'artifact' in its entry point 'capture'"),
    (
        "last_layer.yml",
        without("artifact", "location"),
        "nothing as 'artifact.location' in its entry point 'capture'",
    ),
    ("last_layer.yml", without("checks"), "nothing as 'checks' in its entry point 'verify'"),
    (
        "last_layer.yml",
        with_odd("checks", "failures", ["test_a"]),
        "something that is not a list of a check and a message each as 'checks.failures' in its entry point",
    ),
    *(
        (
            "last_layer.yml",
            with_odd("checks", name, odd),
            f"something that is not a number of checks as 'checks.{name}' in its entry point 'verify'",
        )
        for name, odd in (("passed", True), ("failed", -1), ("failed", False), ("passed", "-1"))
    ),
    *(
        (
            "last_layer.yml",
            with_odd("checks", "failed_units", odd),
            "something that is not a list of a unit each as 'checks.failed_units' in its entry point",
        )
        for odd in (["app.service"], [{"journal": "it broke"}], [{"unit": 7}], {"unit": "app.service"})
    ),
]  # fmt: skip


@pytest.mark.parametrize(("playbook", "change", "said"), FORGOTTEN)
def test_an_incomplete_result_is_a_sentence(
    shop: Workplace, playbook: str, change: Change, said: str
) -> None:
    if playbook != "base.yml":
        shop.make_base()
    shop.kitchen = replace(shop.kitchen, ansible=Careless(shop.ansible, playbook, change))
    result = shop.bake_one("web")
    assert result.status is Status.FAILED
    assert isinstance(result.error, MachineError)
    assert result.error.message.partition(" handed up ")[2].startswith(said)
    assert shop.catalog.images() == ()
    assert shop.catalog.open_machines() == ()


def test_only_the_role_set_that_met_it_fails(shop: Workplace) -> None:
    shop.make_base()

    def forget(up: dict[str, Any]) -> None:
        if up.get("layer", {}).get("id", "").startswith("nginx"):
            del up["layer"]["digest"]

    shop.kitchen = replace(shop.kitchen, ansible=Careless(shop.ansible, "last_layer.yml", forget))
    web, db = shop.bake("web", "db")
    assert (web.status, db.status) == (Status.FAILED, Status.BAKED)


def test_verify_says_it_too(shop: Workplace) -> None:
    shop.bake_one("web")
    (image,) = shop.catalog.images()
    kitchen = replace(shop.kitchen, ansible=Careless(shop.ansible, "verify.yml", without("checks", "passed")))
    with pytest.raises(MachineError, match=r"nothing as 'checks\.passed' in its entry point 'verify'"):
        verify_again(kitchen, image, ())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(sorted(_SHAPES)), st.data())
def test_whatever_is_handed_up_is_taken_or_refused_in_a_sentence(name: str, data: st.DataObject) -> None:
    shape, refusals = _SHAPES[name], []
    fields = dict.fromkeys((*shape.needed, *shape.optional), ANYTHING)
    record = ANYTHING | st.fixed_dictionaries({}, optional=fields)
    up = data.draw(st.fixed_dictionaries({}, optional={name: record}))
    try:
        taken = handed_up(up, name, "odd")
    except MachineError as refusal:
        refusals.append(refusal.message)
    else:
        assert taken == up[name]
    for message in refusals:
        assert message.startswith("target 'odd' handed up ")
        assert f"'{shape.entry_point}'" in message
