"""The answers of ``bakery sweep``, ``prune`` and ``base``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bakery.cli.boundary import error_body
from bakery.cli.documents import BaseBody, BaseDocument, PrunedBody, PruneDocument, SweepDocument, SweptBody
from bakery.cli.output import Paint
from bakery.cli.tables.grid import Cell, Column, grid
from bakery.cli.text import age, listed, plural, short, size
from bakery.flows.upkeep import PrunePlan, Swept
from bakery.model.records import BaseRecord

_STATES = {"made": "green", "missing": "yellow", "unused": "dim"}


def sweep_document(swept: Sequence[Swept], runs: Sequence[Path], *, dry_run: bool) -> SweepDocument:
    return {
        "dry_run": dry_run,
        "targets": [_swept(one) for one in swept],
        "runs": [str(path) for path in runs],
    }


def sweep_text(document: SweepDocument, paint: Paint) -> str:
    """A row per thing removed, or a sentence if there was nothing."""
    rows: list[list[str | Cell]] = []
    for one in document["targets"]:
        kinds = (
            ("kept machine", one["kept"]),
            ("machine", one["machines"]),
            *((_singular(key), things) for key, things in one["others"].items()),
            ("container", one["containers"]),
            ("mount", one["mounts"]),
            ("directory", one["directories"]),
            ("journal entry", one["journal"]),
        )
        rows += [[one["target"], kind, thing] for kind, things in kinds for thing in things]
    rows += [["any", "private files of a run", path] for path in document["runs"]]
    if not rows:
        failed = any(one["error"] for one in document["targets"])
        return "" if failed else "Nothing to sweep: no bake left anything behind."
    said = "Would remove" if document["dry_run"] else "Removed"
    table = grid((Column("TARGET"), Column("KIND"), Column("WHAT")), rows, paint)
    return f"{table}\n\n{said} {plural(len(rows), 'leftover')}."


def _singular(key: str) -> str:
    """A kind as a target calls many of it, as one is called: ``security_groups`` is ``security group``."""
    return key.replace("_", " ").removesuffix("s")


def prune_document(pruned: Sequence[tuple[PrunePlan, Mapping[str, Any]]], *, dry_run: bool) -> PruneDocument:
    return {"dry_run": dry_run, "targets": [_pruned(plan, report) for plan, report in pruned]}


def prune_text(
    document: PruneDocument, pruned: Sequence[tuple[PrunePlan, Mapping[str, Any]]], paint: Paint
) -> str:
    """A row per image and layer that goes, and how much that frees."""
    rows: list[list[str | Cell]] = []
    for plan, _ in pruned:
        rows += [
            [plan.target, "image", f"{one.role_set}:{short(one.fingerprint)}", "", age(one.made)]
            for one in plan.images
        ]
        rows += [
            [plan.target, "layer", f"{one.role} {short(one.key)}", size(one.size), age(one.made)]
            for one in plan.layers
        ]
    freed = sum(one["bytes"] for one in document["targets"])
    if not rows and not freed:
        return "Nothing to prune: everything in the store is in use."
    columns = (
        Column("TARGET"),
        Column("KIND"),
        Column("WHAT", elastic=True),
        Column("SIZE", right=True),
        Column("MADE"),
    )
    table = grid(columns, rows, paint)
    said = "Would free" if document["dry_run"] else "Freed"
    return f"{table}\n\n{said} {size(freed)}." if table else f"{said} {size(freed)}."


def base_body(target: str, name: str, *, record: BaseRecord | None, wanted: bool) -> BaseBody:
    state = "missing" if record is None else "made" if wanted else "unused"
    return {
        "name": name,
        "target": target,
        "state": state,
        "digest": record.digest if record else None,
        "resolved": record.resolved if record else None,
        "architecture": record.architecture if record else None,
        "systemd": record.systemd if record else None,
        "made": record.made if record else None,
    }


def base_text(document: BaseDocument, paint: Paint) -> str:
    if not document["bases"]:
        return "No bases yet; a bake makes the one it needs."
    columns = (
        Column("BASE", elastic=True),
        Column("TARGET"),
        Column("STATE"),
        Column("DIGEST"),
        Column("ARCH"),
        Column("INIT"),
        Column("MADE"),
        Column("SOURCE", elastic=True),
    )
    rows: list[list[str | Cell]] = [
        [
            one["name"],
            one["target"],
            Cell(one["state"], _STATES[one["state"]]),
            short(one["digest"]) if one["digest"] else "",
            one["architecture"] or "",
            "" if one["systemd"] is None else "systemd" if one["systemd"] else "minimal",
            age(one["made"]) if one["made"] else "",
            one["resolved"] or "",
        ]
        for one in document["bases"]
    ]
    return grid(columns, rows, paint)


def _swept(one: Swept) -> SweptBody:
    def names(key: str) -> list[str]:
        return [str(name) for name in one.report.get(key, ())]

    common = {"machines", "mounts", "containers", "directories"}
    return {
        "target": one.target,
        "machines": names("machines"),
        "mounts": names("mounts"),
        "containers": names("containers"),
        "directories": names("directories"),
        "others": {key: names(key) for key in one.report if key not in common and names(key)},
        "journal": list(one.journal),
        "kept": list(one.kept),
        "error": error_body(one.error) if one.error else None,
    }


def _pruned(plan: PrunePlan, report: Mapping[str, Any]) -> PrunedBody:
    blobs = report.get("blobs", 0)
    return {
        "target": plan.target,
        "images": [str(one.artifact["digest"]) for one in plan.images],
        "layers": [one.key for one in plan.layers],
        "blobs": blobs if isinstance(blobs, int) else len(blobs),
        "bytes": int(report.get("bytes", 0)),
    }


def refreshed_text(before: Mapping[tuple[str, str], str], document: BaseDocument, paint: Paint) -> str:
    """Which bases changed and which gave the same content; ``before`` maps target and name to a digest."""
    lines = []
    for one in document["bases"]:
        old = before.get((one["target"], one["name"]))
        if old is None:
            how = paint.green("made")
        else:
            how = "the same as before" if old == one["digest"] else paint.yellow(f"changed from {short(old)}")
        lines.append(f"{paint.bold(one['name'])} on {one['target']}: {short(one['digest'])}, {how}")
    changed = [
        one["name"]
        for one in document["bases"]
        if before.get((one["target"], one["name"])) not in (None, one["digest"])
    ]
    if changed:
        lines.append(f"Role sets on {listed(changed)} will be baked again.")
    return "\n".join(lines)
