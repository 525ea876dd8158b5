"""What ``bakery plan`` says of a role's parts that act on this host."""

from __future__ import annotations

from bakery.cli.tables.plan import plan_document, plan_text
from bakery.errors import Place
from bakery.model.role_source import RunsHere
from tests.unit.builders import role_source
from tests.unit.cli.conftest import NARROW
from tests.unit.cli.test_tables import Golden, steady
from tests.unit.flows.workplace import Workplace


def test_plan_names_what_acts_on_this_host(shop: Workplace, golden: Golden) -> None:
    here = tuple(
        RunsHere(Place("roles/nginx/tasks/main.yml", line), f"delegate_to: host{line}")
        for line in range(1, 12)
    )
    shop.roles["nginx"] = role_source("nginx", runs_here=here, uses=("common",))
    shop.roles["common"] = role_source(
        "common", runs_here=(RunsHere(Place("roles/common/x.yml", 3), "fetch"),)
    )
    shop.roles["postgresql"] = role_source("postgresql")
    plan = shop.plan()
    golden("plan_runs_here", steady(plan_text(plan_document(plan), NARROW, why=False)))
    web, _db = plan_document(plan)["sets"]
    assert web["roles"][0]["runs_here"] == [{"file": "roles/common/x.yml", "line": 3, "what": "fetch"}]
    assert len(web["roles"][1]["runs_here"]) == len(here) + 1
    assert len(web["checks"]) == 2


def test_plan_of_what_is_baked_says_nothing_of_this_host(shop: Workplace) -> None:
    here = RunsHere(Place("roles/common/x.yml", 3), "fetch")
    for name in ("common", "nginx", "postgresql"):
        shop.roles[name] = role_source(name, runs_here=(here,))
    shop.bake()
    assert "this host" not in plan_text(plan_document(shop.plan()), NARROW, why=False)
