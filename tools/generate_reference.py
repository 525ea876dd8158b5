"""Write the generated pages of docs/reference/; with ``--check`` only say which are stale.

The pages are made from what they describe: the click commands, the JSON Schema of the project file, and the
documentation inside the collection's plugins.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.reference import aws_policy, command_line, modules, project_file

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": command_line.render,
    "exit-codes.md": command_line.render_exit_codes,
    "bakery-yml.md": project_file.render,
    "bakery.schema.json": project_file.render_schema,
    "modules.md": modules.render,
    "aws-policy.json": aws_policy.render,
}


def stale() -> tuple[str, ...]:
    """Names of the pages whose text on disk is not what would be written now."""
    return tuple(name for name, render in PAGES.items() if _read(REFERENCE / name) != render())


def main(arguments: tuple[str, ...]) -> int:
    if arguments == ("--check",):
        for name in (names := stale()):
            print(f"docs/reference/{name} is stale; run `make docs`")
        return 1 if names else 0
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, render in PAGES.items():
        (REFERENCE / name).write_text(render(), encoding="utf-8")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:])))
