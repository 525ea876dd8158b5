"""The reference says what is so: it is generated, and these tests fail when it is stale or incomplete."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from jsonschema.validators import validator_for

from bakery.cli.main import bakery
from bakery.errors import ExitCode
from tools.generate_reference import PAGES


@pytest.mark.parametrize("name", PAGES)
def test_reference_page_is_current(name: str, repository: Path) -> None:
    written = (repository / "docs" / "reference" / name).read_text()
    assert written == PAGES[name](), f"docs/reference/{name} is stale: run `make docs`"


def test_every_verb_and_option_is_documented(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "cli.md").read_text()
    context = click.Context(bakery, info_name="bakery")
    for name in bakery.list_commands(context):
        command = bakery.get_command(context, name)
        assert command, name
        section = re.split(rf"^## bakery {name}$", page, flags=re.MULTILINE)[1]
        for param in command.params:
            if isinstance(param, click.Option) and not param.hidden:
                assert param.opts[-1] in page, f"{name} {param.opts[-1]}"
        assert command.help
        assert command.help.split()[0] in section


def test_every_module_is_documented(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "modules.md").read_text()
    collection = repository / "collections" / "ansible_collections" / "bakery" / "images"
    names = [
        path.stem for path in (collection / "plugins" / "modules").glob("*.py") if path.stem != "__init__"
    ]
    names += [path.stem for path in (collection / "playbooks").glob("*.yml")]
    names += [path.name for path in (collection / "roles").iterdir()]
    assert [name for name in names if f"bakery.images.{name}" not in page] == []


def test_every_exit_code_is_documented(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "exit-codes.md").read_text()
    assert [code for code in ExitCode if f"| `{int(code)}` |" not in page] == []


def test_published_schema_is_a_json_schema(repository: Path) -> None:
    schema = json.loads((repository / "docs" / "reference" / "bakery.schema.json").read_text())
    validator_for(schema).check_schema(schema)
