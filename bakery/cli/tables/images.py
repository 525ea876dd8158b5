"""The answers of ``bakery images``, ``show``, ``diff`` and ``verify``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bakery.cli.documents import (
    ImageBody,
    ImagesDocument,
    PackageChanges,
    SealedPath,
    ShowDocument,
    ShownBase,
    ShownLayer,
    VerifyDocument,
)
from bakery.cli.output import Paint
from bakery.cli.tables.artifacts import artifact_body, artifact_facts
from bakery.cli.tables.bake import checks_body
from bakery.cli.tables.grid import Cell, Column, grid
from bakery.cli.text import age, clean, escaped, plural, seconds, short, size
from bakery.flows.inspect import ImageView
from bakery.model.records import CheckReport, ImageRecord, LayerRecord


@dataclass(frozen=True)
class Lists:
    """What ``bakery show`` lists of each layer: its packages, and what sealing took away."""

    packages: bool = False
    sealed: bool = False


def images_document(images: Sequence[ImageRecord]) -> ImagesDocument:
    newest = {(image.role_set, image.target): image for image in images}
    return {"images": [image_body(one, latest=newest[one.role_set, one.target] is one) for one in images]}


def images_text(document: ImagesDocument, paint: Paint) -> str:
    """A row per image, newest first."""
    if not document["images"]:
        return "No images yet; bake one with 'bakery bake'."
    several = len({image["target"] for image in document["images"]}) > 1
    shared = len({image["project"] for image in document["images"]}) > 1
    columns = [
        Column("ROLE SET", elastic=True),
        Column("PROJECT", elastic=True),
        Column("TARGET"),
        Column("TAG"),
        Column("IMAGE"),
        Column("SIZE", right=True),
        Column("CHECKS"),
        Column("MADE"),
        Column("BASE", elastic=True),
    ]
    rows: list[list[str | Cell]] = [
        [
            Cell(image["role_set"], "bold" if image["latest"] else ""),
            image["project"] if shared else "",
            image["target"] if several else "",
            ("latest, " if image["latest"] else "") + short(image["fingerprint"]),
            short(image["artifact"]["id"]),
            "" if image["size"] is None else size(image["size"]),
            Cell(f"{image['checks']['passed']} passed", "green"),
            age(image["made"]),
            image["base"],
        ]
        for image in reversed(document["images"])
    ]
    return grid(columns, rows, paint)


def image_body(image: ImageRecord, *, latest: bool) -> ImageBody:
    told = image.artifact
    return {
        "role_set": image.role_set,
        "target": image.target,
        "project": image.project,
        "fingerprint": image.fingerprint,
        "names": [name for name in image.names if latest or not name.endswith(":latest")],
        "latest": latest,
        "artifact": artifact_body(told),
        "size": int(told["size"]) if "size" in told else None,
        "checks": checks_body(image.checks),
        "base": image.base,
        "base_digest": image.base_digest,
        "ancestry": list(image.ancestry),
        "made": image.made,
        "seconds": image.seconds,
    }


def show_document(view: ImageView, *, latest: bool) -> ShowDocument:
    config = view.image.inputs.get("image", {})
    return {
        "image": image_body(view.image, latest=latest),
        "base": _shown_base(view),
        "layers": [_shown_layer(layer) for layer in view.layers],
        "roles": [list(role) for role in view.image.inputs.get("roles", ())],
        "packages": [[str(word) for word in pair] for pair in view.image.artifact.get("packages", ())],
        "sealed": _sealed(view.image.artifact.get("sealed")),
        "sealed_more": int(_told(view.image.artifact.get("sealed")).get("more", 0)),
        "config": dict(config),
        "elsewhere": [image_body(one, latest=True) for one in view.elsewhere],
    }


def show_text(document: ShowDocument, paint: Paint, *, lists: Lists, run: str | None) -> str:
    """Facts, layers and config, and the lists that are wanted."""
    image = document["image"]
    checks = image["checks"]
    facts = [
        ("image", image["artifact"]["id"]),
        ("digest", image["artifact"]["digest"]),
        ("names", ", ".join(image["names"])),
        *artifact_facts(image["artifact"]),
        ("size", "" if image["size"] is None else size(image["size"])),
        ("project", image["project"]),
        ("made", f"{age(image['made'])}, {image['made']}, in {seconds(image['seconds'])}"),
        ("base", f"{image['base']}  {short(image['base_digest'])}"),
        ("from", " ← ".join([image["role_set"], *image["ancestry"]]) if image["ancestry"] else ""),
        (
            "checks",
            f"{checks['passed']} passed" + (f", report {checks['report']}" if checks["report"] else ""),
        ),
        ("run", run or ""),
    ]
    target = paint.dim(f"on {image['target']}, fingerprint {short(image['fingerprint'])}")
    parts = [f"{paint.bold(image['role_set'])}  {target}"]
    parts += [f"  {paint.dim(f'{label:7}')} {clean(value)}" for label, value in facts if value]
    parts += ["", _layer_table(document, paint) if document["layers"] else _role_table(document, paint)]
    if document["config"]:
        parts += ["", paint.dim("  CONFIG"), *_config_lines(document["config"])]
    if lists.packages:
        parts += ["", *_package_lines(document, paint)]
    if lists.sealed:
        parts += ["", *_sealed_lines(document, paint)]
    if document["elsewhere"]:
        parts += ["", _side_by_side(document, paint)]
    return "\n".join(parts)


def _role_table(document: ShowDocument, paint: Paint) -> str:
    """The roles of an image that has no layers of its own."""
    rows: list[list[str | Cell]] = [[name or "", version or ""] for name, version in document["roles"]]
    return grid([Column("ROLE", elastic=True), Column("VERSION")], rows, paint, indent="  ")


def _side_by_side(document: ShowDocument, paint: Paint) -> str:
    """The image beside those of the same role set on other targets."""
    columns = [Column("TARGET"), Column("FINGERPRINT"), Column("IMAGE", elastic=True), Column("CHECKS")]
    columns += [Column("MADE"), Column("BASE", elastic=True)]
    rows: list[list[str | Cell]] = [
        [
            image["target"],
            short(image["fingerprint"]),
            short(image["artifact"]["id"]),
            Cell(f"{image['checks']['passed']} passed", "green"),
            age(image["made"]),
            image["base"],
        ]
        for image in (document["image"], *document["elsewhere"])
    ]
    return grid(columns, rows, paint, indent="  ")


def verify_document(image: ImageRecord, report: CheckReport, *, latest: bool) -> VerifyDocument:
    return {
        "image": image_body(image, latest=latest),
        "checks": checks_body(report),
        "failures": [dict(failure) for failure in report.failures],
    }


def verify_text(document: VerifyDocument, paint: Paint) -> str:
    checks, name = document["checks"], paint.bold(document["image"]["role_set"])
    if not checks["failed"]:
        units = [f"  {paint.yellow('unit')} {clean(unit)} failed" for unit in checks.get("failed_units", ())]
        said = f"{name}  {paint.green('verified')}: {plural(checks['passed'], 'check')} passed"
        return "\n".join([said, *units])
    every = checks["passed"] + checks["failed"]
    lines = [f"{name}  {paint.red('failed')}: {checks['failed']} of {plural(every, 'check')} failed"]
    for failure in document["failures"]:
        lines.append(f"  {paint.red('✗')} {escaped(failure['check'])}")
        lines += [f"      {line}" for line in clean(failure["message"]).splitlines()]
    return "\n".join(lines)


def _shown_base(view: ImageView) -> ShownBase | None:
    if view.base is None:
        return None
    layers = view.base.layers
    return {
        "name": view.image.base,
        "digest": view.base.digest,
        "size": sum(int(layer.get("size", 0)) for layer in layers),
        "files": sum(int(layer.get("files", 0)) for layer in layers),
    }


def _shown_layer(layer: LayerRecord) -> ShownLayer:
    files = layer.detail.get("files")
    return {
        "role": layer.role,
        "version": layer.version,
        "fingerprint": layer.key,
        "digest": layer.digest,
        "size": layer.size,
        "files": int(files) if isinstance(files, int) else None,
        "seconds": layer.seconds,
        "packages": _packages(layer.detail.get("packages", {})),
        "sealed": _sealed(layer.detail.get("sealed")),
        "sealed_more": int(_told(layer.detail.get("sealed")).get("more", 0)),
    }


def _sealed(told: object) -> list[SealedPath] | None:
    if not isinstance(told, Mapping):
        return None
    return [
        {"path": str(one["path"]), "what": str(one["what"]), "reason": str(one["reason"])}
        for one in told.get("entries", ())
    ]


def _told(sealed: object) -> Mapping[str, Any]:
    return sealed if isinstance(sealed, Mapping) else {}


def _packages(told: Mapping[str, Any]) -> PackageChanges:
    def rows(key: str) -> list[list[str]]:
        return [[str(word) for word in row] for row in told.get(key, ())]

    return {"added": rows("added"), "removed": rows("removed"), "changed": rows("changed")}


def _layer_table(document: ShowDocument, paint: Paint) -> str:
    columns = [
        Column("ROLE", elastic=True),
        Column("VERSION"),
        Column("LAYER"),
        Column("SIZE", right=True),
        Column("FILES", right=True),
        Column("TIME", right=True),
        Column("PACKAGES"),
    ]
    base = document["base"]
    rows: list[list[str | Cell]] = []
    if base:
        head = [f"(base) {base['name']}", "", short(base["digest"]), size(base["size"])]
        rows.append([*head, str(base["files"] or ""), "", ""])
    rows += [
        [
            layer["role"],
            layer["version"] or "",
            short(layer["digest"]),
            size(layer["size"]),
            "" if layer["files"] is None else str(layer["files"]),
            seconds(layer["seconds"]),
            _package_counts(layer["packages"]),
        ]
        for layer in document["layers"]
    ]
    return grid(columns, rows, paint, indent="  ")


def _package_counts(changes: PackageChanges) -> str:
    counts = (("+", changes["added"]), ("-", changes["removed"]), ("~", changes["changed"]))
    return " ".join(f"{sign}{len(rows)}" for sign, rows in counts if rows)


def _package_lines(document: ShowDocument, paint: Paint) -> list[str]:
    if not document["layers"]:
        packages = [f"    {escaped(' '.join(pair))}" for pair in document["packages"]]
        return [paint.dim("  PACKAGES"), *(packages or ["    not known here"])]
    lines = []
    for layer in document["layers"]:
        lines += [
            paint.dim(f"  PACKAGES OF {layer['role']}"),
            *package_lines(layer["packages"], paint, indent="    "),
        ]
    return lines


def _sealed_lines(document: ShowDocument, paint: Paint) -> list[str]:
    if not document["layers"]:
        return [paint.dim("  SEALED"), *_sealed_rows(document, paint)]
    lines = []
    for layer in document["layers"]:
        lines.append(paint.dim(f"  SEALED OF {layer['role']}"))
        lines += _sealed_rows(layer, paint)
    return lines


def _sealed_rows(of: ShownLayer | ShowDocument, paint: Paint) -> list[str]:
    """A line per path: what was done to it, and why."""
    if of["sealed"] is None:
        return ["    not known here"]
    rows = [
        f"    {one['what']:9}{clean(one['path'])}  {paint.dim(clean(one['reason']))}" for one in of["sealed"]
    ]
    if of["sealed_more"]:
        rows.append(f"    and {of['sealed_more']} more")
    return rows or ["    nothing"]


def package_lines(changes: PackageChanges, paint: Paint, *, indent: str) -> list[str]:
    """A line per package: ``+ nginx 1.22.1-9``, ``- exim4 4.96``, ``~ openssl 3.0.1 → 3.0.2``."""
    lines = [f"{indent}{paint.green('+')} {escaped(' '.join(row))}" for row in changes["added"]]
    lines += [f"{indent}{paint.red('-')} {escaped(' '.join(row))}" for row in changes["removed"]]
    lines += [
        f"{indent}{paint.yellow('~')} {escaped(row[0])} {escaped(' → '.join(row[1:]))}"
        for row in changes["changed"]
    ]
    return lines or [f"{indent}none"]


def _config_lines(config: Mapping[str, Any]) -> list[str]:
    return [
        f"    {key}: {escaped(value) if isinstance(value, str) else json.dumps(value)}"
        for key, value in config.items()
    ]
