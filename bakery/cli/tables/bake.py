"""The answer of ``bakery bake``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from bakery.cli.boundary import error_body
from bakery.cli.documents import Artifact, BakeDocument, BakeResultBody, Checks, ErrorBody, LayerBody
from bakery.cli.output import Paint
from bakery.cli.tables.artifacts import artifact_body, artifact_facts
from bakery.cli.tables.grid import Cell, Column, grid
from bakery.cli.text import clean, one_line, plural, seconds, short, size
from bakery.errors import ExitCode
from bakery.model.records import CheckReport
from bakery.model.result import BakeResult, Irreproducible, LayerResult, Status

# Enough files to see a pattern; the document of --json has them all.
_FILES_SHOWN = 20


def bake_document(results: Sequence[BakeResult]) -> BakeDocument:
    return {"results": [_body(result) for result in results]}


def exit_code_of(results: Sequence[BakeResult]) -> int:
    """0 if nothing failed, the common code if everything failed alike, 130 if interrupted, else 6."""
    codes = [int(result.error.exit_code) if result.error else 0 for result in results]
    if ExitCode.INTERRUPTED in codes:
        return int(ExitCode.INTERRUPTED)
    return codes[0] if len(set(codes)) == 1 else int(ExitCode.SOME_FAILED) if codes else 0


def success_text(result: BakeResult, paint: Paint, *, target: str | None = None) -> str:
    """What was made and how to use it; one line for an image that was there, but for what to know of it.

    ``target``: to be named.
    """
    name = paint.bold(result.role_set) + (paint.dim(f" on {target}") if target else "")
    artifact = result.artifact or {}
    if result.status is Status.UNCHANGED:
        called = result.names[0] if result.names else short(str(artifact.get("id", "")))
        same = (
            f"{name}  {paint.green('unchanged')}  {called}  {paint.dim(short(str(artifact.get('id', ''))))}"
        )
        return "\n".join([same, *_warnings(result, paint)])
    parts = [
        f"{name}  {paint.green('baked')} in {seconds(result.seconds)}{_verdict(result)}",
        *([_layers(result.layers, paint), ""] if result.layers else [""]),
    ]
    parts += [f"  {paint.dim(f'{label:7}')} {value}" for label, value in _facts(result) if value]
    parts += [_difference(one, paint) for one in result.irreproducible]
    parts += _warnings(result, paint)
    return "\n".join(parts)


def _warnings(result: BakeResult, paint: Paint) -> list[str]:
    return [f"  {paint.yellow('warning')} {one_line(text)}" for text in result.warnings]


def _verdict(result: BakeResult) -> str:
    """What --rebake found, if there was something to compare with."""
    compared = [layer.reproduced for layer in result.layers if layer.reproduced is not None]
    if not compared:
        return ""
    same = sum(compared)
    if same == len(compared):
        return ", reproduced: every layer came out as before" if same == len(result.layers) else ""
    return f", {len(compared) - same} of {plural(len(compared), 'layer')} not reproduced"


def failure_text(result: BakeResult, paint: Paint) -> str:
    """What failed, every failing check, and the command to look inside."""
    error = result.error
    assert error is not None
    head = f"{paint.bold(result.role_set)}  {paint.red('failed')} after {seconds(result.seconds)}"
    if result.checks and result.checks.failures:
        every = result.checks.failed + result.checks.passed
        lines = [head, f"  {result.checks.failed} of {plural(every, 'check')} failed"]
        for failure in result.checks.failures:
            lines.append(f"  {paint.red('✗')} {clean(failure['check'])}")
            lines += [f"      {line}" for line in clean(failure["message"]).splitlines()]
        lines += failed_units_lines(result.checks, paint)
        lines += [f"  {clean(error.hint)}"] if error.hint else []
    else:
        lines = [head, *(f"  {line}" for line in clean(str(error)).splitlines())]
    inside = _inside(result)
    if inside and inside not in (error.hint or ""):
        lines.append(f"  {inside}")
    lines += _warnings(result, paint)
    lines += [f"  {paint.dim(f'{label:7}')} {value}" for label, value in _machine_facts(result)]
    return "\n".join(lines)


def _inside(result: BakeResult) -> str | None:
    """The command that opens what failed."""
    return f"look inside with 'bakery shell {result.role_set}'" if result.kept else None


def _body(result: BakeResult) -> BakeResultBody:
    body: BakeResultBody = {
        "role_set": result.role_set,
        "target": result.target,
        "status": result.status.value,
        "fingerprint": result.fingerprint or None,
        "artifact": _artifact(result),
        "layers": [_layer_body(layer) for layer in result.layers],
        "checks": checks_body(result.checks) if result.checks else None,
        "seconds": round(result.seconds, 3),
        "error": _error(result),
    }
    if result.machine:
        words = [str(word) for word in result.machine.get("shell", ())]
        body["machine"] = {"id": str(result.machine["id"]), "shell": words}
    if result.warnings:
        body["warnings"] = [clean(text) for text in result.warnings]
    if result.irreproducible:
        body["irreproducible"] = [
            {
                "role": one.role,
                "before": one.before,
                "after": one.after,
                "files": [dict(file) for file in one.files],
            }
            for one in result.irreproducible
        ]
    return body


def _error(result: BakeResult) -> ErrorBody | None:
    if result.error is None:
        return None
    body = error_body(result.error)
    body["hint"] = body["hint"] or _inside(result)
    return body


def _artifact(result: BakeResult) -> Artifact | None:
    return artifact_body(result.artifact) if result.artifact else None


def _layer_body(layer: LayerResult) -> LayerBody:
    body: LayerBody = {
        "role": layer.role,
        "version": layer.version,
        "fingerprint": layer.fingerprint,
        "digest": layer.digest,
        "size": layer.size,
        "cached": layer.cached,
        "seconds": round(layer.seconds, 3),
    }
    if layer.reproduced is not None:
        body["reproduced"] = layer.reproduced
    return body


def checks_body(report: CheckReport) -> Checks:
    body: Checks = {"passed": report.passed, "failed": report.failed, "report": report.report}
    if report.failed_units:
        body["failed_units"] = [one["unit"] for one in report.failed_units]
    return body


def failed_units_lines(report: CheckReport, paint: Paint) -> list[str]:
    """The units that failed in the machine and are no failed checks, each with the end of its journal."""
    lines, told = list[str](), {failure["check"] for failure in report.failures}
    for one in (one for one in report.failed_units if one["unit"] not in told):
        lines.append(f"  {paint.yellow('unit')} {clean(one['unit'])} failed")
        lines += [f"      {line}" for line in clean(one.get("journal", "")).splitlines()]
    return lines


def _layers(layers: Sequence[LayerResult], paint: Paint) -> str:
    columns = (Column("ROLE", elastic=True), Column("VERSION"), Column("LAYER"), Column("TIME", right=True))
    rows: list[list[str | Cell]] = [
        [
            layer.role,
            layer.version or "",
            _how(layer),
            "" if layer.cached else seconds(layer.seconds),
            size(layer.size),
        ]
        for layer in layers
    ]
    return grid((*columns, Column("SIZE", right=True)), rows, paint, indent="  ")


def _how(layer: LayerResult) -> Cell:
    if layer.reproduced is not None:
        return Cell("reproduced", "green") if layer.reproduced else Cell("differs", "red")
    return Cell("cached", "green") if layer.cached else Cell("baked", "yellow")


def _facts(result: BakeResult) -> list[tuple[str, str]]:
    artifact = result.artifact or {}
    facts = [
        ("image", str(artifact.get("id", ""))),
        ("names", ", ".join(result.names)),
        *(artifact_facts(artifact_body(artifact)) if artifact else ()),
        ("size", size(int(artifact["size"])) if "size" in artifact else ""),
        ("checks", f"{result.checks.passed} passed" if result.checks else ""),
        ("run", str(artifact.get("run", ""))),
    ]
    return [*facts, *_machine_facts(result)]


def _machine_facts(result: BakeResult) -> list[tuple[str, str]]:
    """How to get into the machine that --keep left, and how to be rid of it."""
    if not result.machine:
        return []
    words = [str(word) for word in result.machine.get("shell", ())]
    return [("enter", shlex.join(words)), ("remove", "bakery sweep --kept")]


def _difference(one: Irreproducible, paint: Paint) -> str:
    count = plural(len(one.files), "file")
    differ = "differs" if len(one.files) == 1 else "differ"
    gave = f"role '{one.role}' gave {short(one.after)} instead of {short(one.before)}"
    lines = [f"  {paint.yellow('not reproduced')}: {gave}; {count} {differ}"]
    for file in one.files[:_FILES_SHOWN]:
        what = ", ".join(str(word) for word in file.get("what", ())) or str(file.get("change", ""))
        lines.append(f"    {clean(str(file.get('path', '')))}" + (f"  ({what})" if what else ""))
    if len(one.files) > _FILES_SHOWN:
        lines.append(f"    and {len(one.files) - _FILES_SHOWN} more")
    return "\n".join(lines)
