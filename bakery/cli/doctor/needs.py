"""What must be there, why, and how to get it; each target's role lists its needs in ``files/doctor.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from bakery.errors import MachineError

_ROLE = "target_"


@dataclass(frozen=True)
class Requirement:
    """One need of a target.

    ``probe`` is a command line: exit status 0 means the need is met, its first line of output is what was
    found, the last line of its complaint is the trouble. In it ``{home}`` stands for $BAKERY_HOME,
    ``{files}`` for the folder of the list, ``{python}`` for the Python that runs bakery, and ``{options}``
    for what the project says of the target, as JSON. ``root`` probes need root; what is ``optional`` is
    only for some projects. ``packages`` maps a package manager (apt, dnf) to package names.
    """

    need: str
    why: str
    probe: tuple[str, ...]
    files: Path
    root: bool = False
    optional: bool = False
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a target is asked about: whether it is ``used``, and what the project says of it."""

    used: bool
    options: Mapping[str, Any] = field(default_factory=dict)


class State(Enum):
    """How a need stands; the values appear in ``--json``."""

    OK = "ok"
    MISSING = "missing"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """The outcome of one probe: what was ``found``, what is the ``trouble``, how to ``get`` it right."""

    need: str
    why: str
    state: State
    found: str | None = None
    trouble: str | None = None
    get: str | None = None
    optional: bool = False
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def stands_in_the_way(self) -> bool:
        return self.state is not State.OK and not self.optional


def load_requirements(roles: Path, targets: Mapping[str, Asked] = {}) -> tuple[Requirement, ...]:
    """The needs of every target under ``roles``, one named twice taken once.

    Those of a target that is not used are optional; one that ``targets`` does not name is used.
    """
    found: dict[str, Requirement] = {}
    for path in sorted(roles.glob(f"{_ROLE}*/files/doctor.json")):
        asked = targets.get(path.parent.parent.name.removeprefix(_ROLE), Asked(used=True))
        for requirement in _load(path, asked):
            known = found.get(requirement.need)
            if known is None or (known.optional and not requirement.optional):
                found[requirement.need] = requirement
    return tuple(found.values())


def _load(path: Path, asked: Asked) -> tuple[Requirement, ...]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["requirements"]
        return tuple(_requirement(row, path.parent, asked) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MachineError(f"the list of needs {path} cannot be read", hint="install bakery again") from error


def _requirement(row: Mapping[str, Any], files: Path, asked: Asked) -> Requirement:
    return Requirement(
        need=str(row["need"]),
        why=str(row["why"]),
        probe=tuple(str(word) for word in row["probe"]),
        files=files,
        root=bool(row.get("root", False)),
        optional=bool(row.get("optional", False)) or not asked.used,
        packages={str(manager): tuple(names) for manager, names in row.get("packages", {}).items()},
        options=asked.options,
    )
