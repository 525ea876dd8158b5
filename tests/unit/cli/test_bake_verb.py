"""``bakery bake`` from the plan on, in a kitchen whose target is a fake."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bakery.cli.session import Session
from bakery.cli.tables.bake import bake_document, exit_code_of
from bakery.cli.verbs.bake import Options, _Baking, _chosen, _print_results
from bakery.errors import InputError, InterruptedBake, ProvisionError
from bakery.model.plan import Plan
from bakery.model.project import Project
from bakery.model.result import BakeResult
from tests.unit.fake_target import CHECKS_FAIL, task_failure
from tests.unit.flows.workplace import Workplace

OPTIONS: Options = {
    "names": (),
    "everything": True,
    "jobs": 1,
    "rebake": False,
    "keep": False,
    "on_error": "keep",
    "targets": (),
}
RESULT_KEYS = [
    "role_set",
    "target",
    "status",
    "fingerprint",
    "artifact",
    "layers",
    "checks",
    "seconds",
    "error",
]


@dataclass(frozen=True)
class Planning:
    """A planner that reads the workplace."""

    place: Workplace

    @property
    def project(self) -> Project:
        return self.place.project

    def __call__(self) -> Plan:
        return self.place.plan()


def bake(place: Workplace, *, as_json: bool = False, **changes: Any) -> tuple[BakeResult, ...]:
    session = Session(None, place.kitchen.home, json=as_json)
    options: Options = {**OPTIONS, **changes}  # type: ignore[typeddict-item]
    return _Baking(session, options, place.kitchen, Planning(place)).run()  # type: ignore[arg-type]


def test_document_has_the_promised_shape(shop: Workplace) -> None:
    document = json.loads(json.dumps(bake_document(bake(shop))))
    web = document["results"][0]
    assert list(document) == ["results"]
    assert list(web) == RESULT_KEYS
    assert list(web["artifact"]) == ["kind", "id", "digest", "location"]
    assert list(web["layers"][0]) == [
        "role",
        "version",
        "fingerprint",
        "digest",
        "size",
        "cached",
        "seconds",
    ]
    assert list(web["checks"]) == ["passed", "failed", "report"]
    assert (web["status"], web["error"]) == ("baked", None)


def test_second_bake_is_unchanged_and_shows_no_progress(
    shop: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    bake(shop)
    capsys.readouterr()
    results = bake(shop)
    assert [one["status"] for one in bake_document(results)["results"]] == ["unchanged", "unchanged"]
    assert capsys.readouterr().out == ""


def test_progress_goes_to_stdout_and_with_json_to_stderr(
    shop: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    bake(shop, as_json=True)
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "web: common (1 of 2)" in streams.err
    bake(shop, rebake=True)
    assert "web: common (1 of 2)" in capsys.readouterr().out


def test_some_of_several_failed_is_6(shop: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    shop.ansible.failures["layer nginx"] = task_failure("nginx")
    results = bake(shop)
    assert exit_code_of(results) == 6
    _print_results(Session(None, shop.kitchen.home), results)
    streams = capsys.readouterr()
    assert "db  baked" in streams.out
    assert "web  failed" in streams.err
    assert "look inside with 'bakery shell web'" in streams.err


def test_one_role_set_that_failed_gives_its_own_code(shop: Workplace) -> None:
    shop.ansible.failures["layer nginx"] = task_failure("nginx")
    (web, _) = bake(shop)
    assert exit_code_of((web,)) == 3
    assert bake_document((web,))["results"][0]["error"]["exit_code"] == 3  # type: ignore[index]


def test_all_failed_alike_gives_their_code_and_differently_6(shop: Workplace) -> None:
    shop.ansible.failures["layer common"] = task_failure("common")
    results = bake(shop)
    assert exit_code_of(results) == 3
    shop.ansible.failures = {"layer nginx": task_failure("nginx")}
    shop.ansible.checks["db"] = CHECKS_FAIL
    assert exit_code_of(bake(shop)) == 6


def test_an_interruption_wins_over_other_failures(shop: Workplace) -> None:
    web, db = bake(shop)
    stopped = replace(web, error=InterruptedBake("interrupted"))
    failed = replace(db, error=ProvisionError("x"))
    assert exit_code_of((stopped, failed)) == 130


def test_keep_is_the_default_and_without_a_terminal_ask_keeps_too(shop: Workplace) -> None:
    shop.ansible.failures["layer nginx"] = task_failure("nginx")
    for on_error in ("keep", "ask"):
        bake(shop, on_error=on_error)
        (attempt,) = shop.catalog.attempts()
        assert attempt.kept
        shop.catalog.clear_attempt("web", "null")


def test_discard_keeps_nothing(shop: Workplace) -> None:
    shop.ansible.failures["layer nginx"] = task_failure("nginx")
    bake(shop, on_error="discard")
    assert [one for one in shop.catalog.attempts() if one.kept] == []


def chosen(place: Workplace, *names: str, everything: bool = False) -> tuple[str, ...]:
    return _chosen(place.project, {**OPTIONS, "names": names, "everything": everything})


def test_names_are_baked_once_and_in_order(shop: Workplace) -> None:
    assert chosen(shop, "db", "web", "db") == ("db", "web")
    assert chosen(shop, everything=True) == ("web", "db")


def test_a_misspelt_role_set_is_refused_with_the_one_that_was_meant(shop: Workplace) -> None:
    with pytest.raises(InputError, match=r"no role set 'wbe'.*did you mean 'web'"):
        chosen(shop, "wbe")


def test_several_role_sets_are_not_baked_by_accident(shop: Workplace) -> None:
    with pytest.raises(InputError, match=r"which role sets.*web, db.*--all"):
        chosen(shop)
    with pytest.raises(InputError, match="--all"):
        chosen(shop, "web", everything=True)
