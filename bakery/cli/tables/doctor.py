"""The answer of ``bakery doctor``."""

from __future__ import annotations

from collections.abc import Sequence

from bakery.cli.doctor.install import how_to_get
from bakery.cli.doctor.needs import Finding, State
from bakery.cli.documents import DoctorDocument, Need
from bakery.cli.output import Paint
from bakery.cli.tables.grid import Cell, Column, grid
from bakery.cli.text import clean, plural

_MARKS = {"ok": ("ok", "green"), "missing": ("MISSING", "red"), "skipped": ("?", "yellow")}


def doctor_document(findings: Sequence[Finding], installed: Sequence[str]) -> DoctorDocument:
    return {
        "ok": not any(one.stands_in_the_way for one in findings),
        "checks": [_need(one) for one in findings],
        "installed": list(installed),
    }


def doctor_text(document: DoctorDocument, paint: Paint) -> str:
    """A row per need, then for each that is not met: what for, what is wrong, how to get it."""
    checks = document["checks"]
    columns = (Column("NEED"), Column("STATE"), Column("FOUND", elastic=True))
    table = grid(columns, [_row(one) for one in checks], paint)
    parts = [table, *(_remedy(one, paint) for one in checks if one["status"] == "missing")]
    return "\n\n".join([*parts, _verdict(document)])


def _need(one: Finding) -> Need:
    return {
        "need": one.need,
        "status": one.state.value,
        "optional": one.optional,
        "found": one.found,
        "trouble": one.trouble,
        "why": one.why,
        "get": how_to_get(one) if one.state is State.MISSING else None,
        "packages": {manager: list(names) for manager, names in one.packages.items()},
    }


def _row(one: Need) -> list[str | Cell]:
    word, style = _MARKS[one["status"]]
    if one["status"] == "missing" and one["optional"]:
        word, style = "absent", "yellow"
    return [one["need"], Cell(word, style), one["found"] or one["trouble"] or ""]


def _remedy(one: Need, paint: Paint) -> str:
    title = f"{one['need']} (optional)" if one["optional"] else one["need"]
    lines = [
        f"{paint.bold(title)}: {clean(one['trouble'] or 'not there')}",
        f"  {paint.dim('for')}  {one['why']}",
    ]
    if one["get"]:
        lines.append(f"  {paint.dim('get')}  {one['get']}")
    return "\n".join(lines)


def _verdict(document: DoctorDocument) -> str:
    if document["ok"]:
        return "This host can bake."
    missing = [one for one in document["checks"] if one["status"] == "missing" and not one["optional"]]
    fixable = any(one["packages"].get("apt") for one in missing)
    hint = " Install what packages can bring with 'bakery doctor --fix'." if fixable else ""
    return f"This host cannot bake yet: {plural(len(missing), 'need')} not met.{hint}"
