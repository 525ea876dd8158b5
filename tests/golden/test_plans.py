"""Plans of the sample projects, compared with ``plans/*.json``.

A file that changes though nobody meant it to means that every layer everywhere is baked again: see ``FORMAT``
in ``bakery/planning.py``. ``BAKERY_UPDATE_GOLDEN=1 pytest tests/golden`` renews the files; read the diff.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bakery.model.plan import LayerNode, Plan, SetPlan
from tests.golden.samples import SAMPLES
from tests.unit.builders import plan_all

PLANS = Path(__file__).parent / "plans"
UPDATE = "BAKERY_UPDATE_GOLDEN"


@pytest.mark.parametrize("sample", SAMPLES)
def test_plan_is_the_one_that_was_reviewed(sample: str) -> None:
    shown = render(plan_all(*SAMPLES[sample]()))
    file = PLANS / f"{sample}.json"
    if os.environ.get(UPDATE):
        file.write_text(shown)
    assert shown == file.read_text(), f"renew with {UPDATE}=1 if this is meant"


def test_every_reviewed_plan_has_its_sample() -> None:
    assert {file.stem for file in PLANS.glob("*.json")} == set(SAMPLES)


def test_no_plan_shows_a_vaulted_text() -> None:
    assert all("616e7369626c65" not in file.read_text() for file in PLANS.glob("*.json"))


def render(plan: Plan) -> str:
    document = {"unchanged": plan.unchanged, "sets": [_set(one) for one in plan.sets]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _set(one: SetPlan) -> dict[str, Any]:
    return {
        "role_set": one.role_set.name,
        "target": one.target,
        "base": one.base_record.digest if one.base_record else None,
        "image": one.image.made if one.image else None,
        "why": one.why,
        "bakes": [node.use.name for node in one.to_bake],
        "fingerprint": one.fingerprint,
        "checks": list(one.checks),
        "checks_digest": one.checks_digest,
        "nodes": [_node(node) for node in one.nodes],
    }


def _node(node: LayerNode) -> dict[str, Any]:
    return {
        "role": node.use.name,
        "cached": node.cached.id if node.cached else None,
        "why": node.why,
        "chain": node.chain,
        "parent": node.parent,
        "recipe": node.recipe,
        "key": node.key,
        "inputs": None if node.cached else dict(node.inputs),
    }
