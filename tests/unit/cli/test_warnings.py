"""Warnings and failed units, as the answer of a bake shows them."""

from __future__ import annotations

from dataclasses import replace

from bakery.cli.tables.bake import bake_document, failure_text, success_text
from bakery.errors import ChecksError, ProvisionError
from bakery.model.records import CheckReport
from bakery.model.result import Status
from tests.unit.cli.conftest import PLAIN
from tests.unit.cli.test_tables import BAKED


def test_warnings_end_the_answer_and_are_in_the_document() -> None:
    warned = replace(BAKED, warnings=("role 'nginx': odd\nthing", "x.service failed\x1b[2J"))
    lines = success_text(warned, PLAIN).splitlines()[-2:]
    assert lines[0].strip() == "warning role 'nginx': odd thing"
    assert "\x1b" not in lines[1]
    (body,) = bake_document([warned])["results"]
    assert len(body["warnings"]) == 2
    assert "\x1b" not in body["warnings"][1]
    assert "warnings" not in bake_document([BAKED])["results"][0]
    same = replace(warned, status=Status.UNCHANGED)
    assert len(success_text(same, PLAIN).splitlines()) == 3
    failed = replace(warned, status=Status.FAILED, error=ProvisionError("no"))
    assert "warning role 'nginx': odd thing" in failure_text(failed, PLAIN)


def test_failed_checks_show_the_units_that_failed() -> None:
    failures = ({"check": "a.service", "message": "this unit failed"}, {"check": "test_x", "message": "no"})
    units = ({"unit": "a.service", "journal": "of a"}, {"unit": "b.service", "journal": "of b\x1b[2J\nmore"})
    checks = CheckReport(passed=1, failed=2, failures=failures, failed_units=units)
    failed = replace(BAKED, status=Status.FAILED, checks=checks, error=ChecksError("no"))
    text = failure_text(failed, PLAIN)
    assert "unit b.service failed\n      of b" in text
    assert "\x1b" not in text
    assert "unit a.service" not in text  # it is a failed check already
    (body,) = bake_document([failed])["results"]
    assert body["checks"] is not None
    assert body["checks"]["failed_units"] == ["a.service", "b.service"]
