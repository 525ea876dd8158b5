"""The answer of ``bakery diff``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bakery.cli.documents import DiffDocument
from bakery.cli.output import Paint
from bakery.cli.text import escaped, listed, short

# A diff of images can have hundreds of thousands of files; the document of --json has them all.
_FILES_SHOWN = 200
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def diff_text(document: DiffDocument, paint: Paint) -> str:
    """Packages first, then files, each under the role it comes from."""
    left, right = document["left"], document["right"]
    head = f"{paint.red('-')} {_called(left)}\n{paint.green('+')} {_called(right)}"
    if document["same"]:
        return f"{head}\n\nThe two are the same image."
    report = document["report"]
    packages = [
        _package(change, row) for change in _SIGNS for row in report.get("packages", {}).get(change, ())
    ]
    files = [_file(row) for row in report.get("files", ())]
    parts = [
        head,
        *_section("packages", packages, paint, limit=None),
        *_section("files", files, paint, limit=_FILES_SHOWN),
    ]
    return "\n".join(parts)


class _Difference(NamedTuple):
    """One line: the role it belongs to (empty if unknown), the kind of change and what changed."""

    role: str
    change: str
    what: str


def _package(change: str, row: Mapping[str, Any]) -> _Difference:
    versions = [str(row[key]) for key in ("version", "old", "new") if row.get(key)]
    what = escaped(f"{row['name']} {' → '.join(versions)}")
    return _Difference(str(row.get("role") or ""), change, what)


def _file(row: Mapping[str, Any]) -> _Difference:
    role, change = str(row.get("role") or ""), str(row.get("change", "changed"))
    what = row.get("what", ()) if change == "changed" else ()
    details = f" ({', '.join(str(one) for one in what)})" if what else ""
    return _Difference(role, change, escaped(str(row["path"]) + details))


def _section(title: str, rows: list[_Difference], paint: Paint, *, limit: int | None) -> Iterable[str]:
    yield f"\n{paint.dim(title.upper())}  {_counts(rows)}"
    # Those of no role come first: they would seem to belong to the role above them.
    seen = ["", *dict.fromkeys(row.role for row in rows)]
    rows = sorted(rows, key=lambda row: seen.index(row.role))
    role = None
    for row in rows if limit is None else rows[:limit]:
        if row.role != role and row.role:
            yield f"  {paint.bold(row.role)}"
        role = row.role
        yield f"    {_sign(row.change, paint)} {row.what}"
    if limit is not None and len(rows) > limit:
        yield f"    and {len(rows) - limit} more; --json has all of them"


def _counts(rows: list[_Difference]) -> str:
    counts = Counter(row.change for row in rows)
    return listed([f"{count} {change}" for change, count in counts.items()]) or "the same"


def _sign(change: str, paint: Paint) -> str:
    sign = _SIGNS.get(change, "~")
    return {"+": paint.green, "-": paint.red}.get(sign, paint.yellow)(sign)


def _called(image: Mapping[str, Any]) -> str:
    return f"{image['role_set']}:{short(image['fingerprint'])}  {short(image['artifact']['id'])}"
