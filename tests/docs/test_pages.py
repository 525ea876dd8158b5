"""Links lead somewhere, and examples of project files are accepted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema.validators import validator_for

from tools.reference.markdown import anchor

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, fragment = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        headings = {anchor(line.lstrip("# ")) for line in _headings(target)} if fragment else {""}
        if not target.exists() or fragment not in headings:
            broken.append(link)
    assert broken == []


def test_every_page_is_reachable_from_the_front(repository: Path) -> None:
    reached: set[Path] = set()
    todo = [repository / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        links = (link.partition("#")[0] for link in LINK.findall(page.read_text()) if ":" not in link)
        todo.extend((page.parent / link).resolve() for link in links if link)
    lost = [str(page.relative_to(repository)) for page in PAGES if page not in reached]
    assert [name for name in lost if name != "CHANGELOG.md"] == []


def test_examples_of_project_files_fit_the_schema(repository: Path) -> None:
    schema = json.loads((repository / "docs" / "reference" / "bakery.schema.json").read_text())
    validator = validator_for(schema)({**schema, "required": []})
    examples = [
        (page, yaml.safe_load(text))
        for page in PAGES
        for language, text in FENCE.findall(page.read_text())
        if language == "yaml" and re.search(r"^(bases|role_sets):", text, re.MULTILINE)
    ]
    assert examples
    wrong = [
        f"{page.relative_to(repository)}: {error.message}"
        for page, example in examples
        for error in validator.iter_errors(example)
    ]
    assert wrong == []


def _headings(page: Path) -> list[str]:
    if page.suffix != ".md" or not page.is_file():
        return []
    return [line for line in FENCE.sub("", page.read_text()).splitlines() if line.startswith("#")]
