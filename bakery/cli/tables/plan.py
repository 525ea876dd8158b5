"""The answer of ``bakery plan``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from bakery.cli.boundary import error_body
from bakery.cli.output import Paint
from bakery.cli.plan_documents import PlanDocument, PlannedBase, PlannedRole, PlannedSet
from bakery.cli.tables.grid import Cell, Column, grid
from bakery.cli.text import clean, listed, one_line, plural, short, width
from bakery.flows.estimate import Estimate
from bakery.model.plan import LayerNode, Plan, SetPlan

_MOST_HERE = 8
_STATES = {"cached": "green", "bake": "yellow", "unknown": "cyan", "make": "yellow", "made": "green"}


def plan_document(plan: Plan, estimates: Sequence[Estimate | None] = ()) -> PlanDocument:
    """``estimates`` are those of the plan's sets, in their order."""
    pairs = zip_longest(plan.sets, estimates)
    return {"sets": [_planned_set(one, estimate) for one, estimate in pairs]}


def plan_text(
    document: PlanDocument, paint: Paint, *, why: bool, estimates: Sequence[Estimate | None] = ()
) -> str:
    """A table per role set, what the targets say it takes, and a last line that says what a bake would do."""
    parts = [
        _set_text(one, paint, why=why) + _estimate_text(estimate, paint)
        for one, estimate in zip_longest(document["sets"], estimates)
    ]
    return "\n\n".join([*parts, _outlook(document)])


def _planned_set(one: SetPlan, estimate: Estimate | None) -> PlannedSet:
    planned = _planned(one)
    if estimate is None:
        return planned
    if estimate.found:
        planned["status"] = "unchanged"
        planned["why"] = f"{one.target} has it: {estimate.found.get('id')}"
        if estimate.unfinished:
            undone = "; ".join(estimate.unfinished)
            planned["why"] += f", but {undone}: a bake finishes that"
        return planned
    planned["estimate"] = estimate.details or None
    if estimate.trouble:
        planned["error"] = error_body(estimate.trouble)
    return planned


def _estimate_text(estimate: Estimate | None, paint: Paint) -> str:
    if estimate is None or estimate.found:
        return ""
    if estimate.trouble:
        return f"\n\n  {paint.red('cannot tell what it takes:')} {clean(str(estimate.trouble))}"
    parts = []
    for section in estimate.sections:
        rows = [(one_line(str(label)), one_line(str(value))) for label, value in section["rows"]]
        broad = max((width(label) for label, _ in rows), default=0)
        lines = [f"    {paint.dim(label)}{' ' * (broad - width(label))}  {value}" for label, value in rows]
        parts.append("\n".join(["", "", f"  {paint.bold(str(section['title']))}", *lines]))
    return "".join(parts)


def _planned(one: SetPlan) -> PlannedSet:
    base: PlannedBase = {
        "name": one.base.name,
        "state": "made" if one.base_record else "make",
        "digest": one.base_record.digest if one.base_record else None,
    }
    return {
        "role_set": one.role_set.name,
        "target": one.target,
        "status": "unchanged" if one.image else "bake",
        # Until the base is made, what it will be is no part of the fingerprint: it will be another one.
        "fingerprint": one.fingerprint if one.base_record else None,
        "why": one.why,
        "latest_of": one.latest_of,
        "base": base,
        "roles": [_planned_role(node) for node in one.nodes],
        "checks": list(one.checks),
    }


def _planned_role(node: LayerNode) -> PlannedRole:
    state = "cached" if node.cached else "bake" if node.certain else "unknown"
    return {
        "role": node.use.name,
        "version": node.use.version or node.source.version,
        "state": state,
        "fingerprint": node.key,
        "why": node.why,
        "runs_here": [
            {"file": one.place.file, "line": one.place.line, "what": one.what} for one in node.runs_here
        ],
    }


def _set_text(one: PlannedSet, paint: Paint, *, why: bool) -> str:
    status = paint.green("unchanged") if one["status"] == "unchanged" else paint.yellow(one["status"])
    head = f"{paint.bold(one['role_set'])}  {status}"
    fingerprint = f", fingerprint {short(one['fingerprint'])}" if one["fingerprint"] else ""
    head += paint.dim(f"  on {one['target']}{fingerprint}")
    columns = [Column("ROLE", elastic=True), Column("VERSION"), Column("STATE"), Column("LAYER")]
    base = one["base"]
    digest = short(base["digest"]) if base["digest"] else ""
    rows: list[list[str | Cell]] = [
        [f"(base) {base['name']}", "", Cell(base["state"], _STATES[base["state"]]), digest, ""]
    ]
    rows += [_role_row(role) for role in one["roles"]]
    if why:
        columns.append(Column("WHY", elastic=True))
    table = grid(columns, [row[: len(columns)] for row in rows], paint, indent="  ")
    reason = f"\n  {paint.dim('why:')} {one['why']}" if why and one["why"] else ""
    return f"{head}{reason}\n{table}{_whose_name(one)}{_here_text(one)}"


def _here_text(one: PlannedSet) -> str:
    """What a bake would run on this host and not in the machine; nothing for roles that are cached."""
    if one["status"] == "unchanged":
        return ""
    to_bake = (role for role in one["roles"] if role["state"] != "cached")
    places = (here for role in to_bake for here in role["runs_here"])
    # What several roles can run is named once.
    found = list({(here["file"], here["line"], here["what"]): here for here in places}.values())
    lines = [
        one_line(f"runs on this host: {here['file']}:{here['line']} {here['what']}")
        for here in found[:_MOST_HERE]
    ]
    lines = [f"\n  {line}" for line in lines]
    if len(found) > _MOST_HERE:
        lines.append(f"\n  and {plural(len(found) - _MOST_HERE, 'more place')}, which --json names")
    return "".join(lines)


def moving_text(name: str, other: str) -> str:
    """What a bake of ``name`` does to a name that means an image of the project ``other``."""
    return f"{name}:latest is an image of project '{other}' and will be one of this project"


def _whose_name(one: PlannedSet) -> str:
    other = one["latest_of"]
    if other is None:
        return ""
    if one["status"] != "unchanged":
        return f"\n  {moving_text(one['role_set'], other)}"
    mine = f"{one['role_set']}:{short(one['fingerprint'] or '')}"
    return f"\n  {one['role_set']}:latest is an image of project '{other}'; that of this project is {mine}"


def _role_row(role: PlannedRole) -> list[str | Cell]:
    key = short(role["fingerprint"]) if role["fingerprint"] else ""
    return [
        role["role"],
        role["version"] or "",
        Cell(role["state"], _STATES[role["state"]]),
        key,
        role["why"],
    ]


def _outlook(document: PlanDocument) -> str:
    todo = [one for one in document["sets"] if one["status"] != "unchanged"]
    if not todo:
        return "Nothing to do: every image is there and verified."
    bake = _count_shared(todo, "bake")
    unknown = _count_shared(todo, "unknown")
    bases = len({(one["target"], one["base"]["name"]) for one in todo if one["base"]["state"] == "make"})
    parts = [f"{plural(bases, 'base')} to make"] if bases else []
    parts += [f"{plural(bake, 'role')} to bake"] if bake else []
    parts += [f"{plural(unknown, 'role')} cached if what is below comes out as before"] if unknown else []
    names = listed([one["role_set"] for one in todo])
    return f"A bake of {names}: {listed(parts) or 'every role is cached; image and checks remain'}."


def _count_shared(sets: list[PlannedSet], state: str) -> int:
    """How many different roles are in that state: role sets with the same first roles share them."""
    seen = set()
    for one in sets:
        path: tuple[str, ...] = (one["target"], one["base"]["name"])
        for role in one["roles"]:
            path = (*path, role["role"])
            if role["state"] == state:
                seen.add((path, role["fingerprint"]))
    return len(seen)
