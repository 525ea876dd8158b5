"""A first project: what ``bakery init`` writes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from bakery.errors import InputError

_STARTER = Path(__file__).parent / "starter"
_FIRST_ROLE = "motd"
PROJECT_FILE = "bakery.yml"


@dataclass(frozen=True)
class Start:
    """What to write. ``roles`` are the roles that were there; if there is none, a first one is written."""

    directory: Path
    name: str
    roles: tuple[str, ...]


def plan_start(directory: Path, name: str | None) -> Start:
    """Look at ``directory`` and decide. Raises InputError if there is a project or the name is no name."""
    if (directory / PROJECT_FILE).exists():
        raise InputError(
            f"there is a {PROJECT_FILE} in {directory.absolute()} already",
            hint="edit it, or name another directory",
        )
    chosen = name or re.sub(r"[^a-z0-9]+", "-", directory.absolute().name.lower()).strip("-") or "web"
    if not re.fullmatch(r"[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*", chosen):
        if name is None:
            chosen = "web"
        else:
            raise InputError(
                f"'{name}' is no name for a role set",
                hint="use lower-case letters, digits and single hyphens",
            )
    found = sorted(path.parent.parent.name for path in directory.glob("roles/*/tasks/main.yml"))
    return Start(directory, chosen, tuple(found))


def files_of(start: Start, schema: dict[str, object]) -> dict[str, str]:
    """Every file of the new project by its path in it; ``schema`` is the JSON Schema that editors read."""
    files = {".bakery/schema.json": json.dumps(schema, indent=2) + "\n"}
    if start.roles:
        check = f"checks/{start.name}/test_{re.sub(r'[^a-z0-9]', '_', start.name)}.py"
        files[check] = _filled("check.py.txt", name=start.name)
        rest = f"    checks: [checks/{start.name}]"
    else:
        rest = "    vars:\n      motd_contact: you@example.org"
        for path in sorted(_STARTER.glob("roles/**/*")):
            if path.is_file():
                name = str(path.relative_to(_STARTER)).removesuffix(".txt")
                files[name] = path.read_text(encoding="utf-8")
    roles = "\n".join(f"      - {role}" for role in start.roles or (_FIRST_ROLE,))
    files[PROJECT_FILE] = _filled("bakery.yml.txt", name=start.name, roles=roles, rest=rest)
    return files


def write_start(start: Start, files: dict[str, str]) -> tuple[str, ...]:
    """Write the files that are not there yet, the project file last; returns the paths written."""
    written = []
    for path, text in sorted(files.items(), key=lambda item: item[0] == PROJECT_FILE):
        place = start.directory / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"{place} cannot be written: {error.strerror}") from error
        written.append(path)
    return tuple(written)


def _filled(template: str, **values: str) -> str:
    return Template((_STARTER / template).read_text(encoding="utf-8")).substitute(values)
