"""docs/reference/modules.md, from `ansible-doc` and the comments that the playbooks begin with."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.reference import markdown

ROOT = Path(__file__).resolve().parent.parent.parent
COLLECTION = "bakery.images"
TREE = ROOT / "collections" / "ansible_collections" / "bakery" / "images"


def render() -> str:
    plugins = [
        (kind, name, entry)
        for kind in ("connection", "module")
        for name, entry in sorted(_documented(kind).items())
    ]
    roles = sorted(_documented("role").items())
    return markdown.page(
        f"The collection {COLLECTION}",
        "The same pages as `ansible-doc` shows with the collection installed, for example "
        f"`ansible-doc {COLLECTION}.container_layer` and "
        f"`ansible-doc -t role {COLLECTION}.target_container`.",
        "## Playbooks",
        "Run or import them by their full name, for example `ansible.builtin.import_playbook: "
        f"{COLLECTION}.bake`.",
        markdown.table(("playbook", "does"), _playbooks()),
        *(part for kind, name, entry in plugins for part in _plugin(kind, name, entry)),
        *(part for name, entry in roles for part in _role(name, entry)),
    )


def _documented(kind: str) -> Mapping[str, Any]:
    if kind == "role":
        names = [path.name for path in (TREE / "roles").iterdir()]
    else:
        directory = TREE / "plugins" / ("modules" if kind == "module" else kind)
        names = [path.stem for path in directory.glob("*.py") if path.stem != "__init__"]
    return _ansible_doc("--type", kind, *(f"{COLLECTION}.{name}" for name in sorted(names)))


def _ansible_doc(*arguments: str) -> Mapping[str, Any]:
    environment = os.environ | {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
    }
    argv = [str(Path(sys.executable).parent / "ansible-doc"), "--json", *arguments]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise SystemExit(f"ansible-doc {' '.join(arguments)}: {done.stderr.strip()}")
    answer: Mapping[str, Any] = json.loads(done.stdout)
    return answer


def _playbooks() -> Iterator[tuple[str, str]]:
    for path in sorted((TREE / "playbooks").glob("*.yml")):
        text = path.read_text(encoding="utf-8")
        plays = "; ".join(re.findall(r"^- name: (.*)$", text, re.MULTILINE))
        yield f"`{COLLECTION}.{path.stem}`", _leading_comment(text) or plays


def _leading_comment(text: str) -> str:
    """The comment that a playbook begins with, without its licence lines."""
    words: list[str] = []
    for line in text.splitlines():
        if line == "---" or line.startswith(("# Copyright", "# GNU", "# SPDX")):
            continue
        if not line.startswith("# "):
            break
        words.append(line.removeprefix("# "))
    return " ".join(words)


def _plugin(kind: str, name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    doc = entry["doc"]
    yield f"## {name}" + ("" if kind == "module" else f" ({kind} plugin)")
    yield _text(doc["short_description"]) + "."
    yield _text(doc.get("description"))
    yield _options(doc.get("options"))
    attributes = doc.get("attributes") or {}
    yield markdown.table(
        ("attribute", "support", ""),
        (
            (f"`{key}`", str(value.get("support", "")), _text(value.get("details")))
            for key, value in attributes.items()
        ),
    )
    if doc.get("notes"):
        yield "\n".join(f"- {_text(note)}" for note in doc["notes"])
    if entry.get("examples"):
        yield markdown.code(entry["examples"], "yaml")
    returned = entry.get("return") or {}
    if returned:
        yield "Returns:"
        yield markdown.table(("value", "type", "is"), _rows(returned, "contains"))


def _role(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name} (role)"
    for point, spec in sorted(entry["entry_points"].items()):
        yield f"### {name} {point}"
        yield _text(spec.get("short_description"))
        yield _text(spec.get("description"))
        yield _options(spec.get("options"))


def _options(options: Mapping[str, Any] | None) -> str:
    return markdown.table(("option", "type", "default", "is"), _option_rows(options or {}))


def _option_rows(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    for name, spec in options.items():
        default = spec.get("default")
        shown = "required" if spec.get("required") else "" if default is None else f"`{json.dumps(default)}`"
        choices = spec.get("choices")
        about = _text(spec.get("description"))
        if choices:
            about += " One of " + ", ".join(f"`{choice}`" for choice in choices) + "."
        yield f"`{prefix}{name}`", _type(spec), shown, about
        yield from _option_rows(spec.get("suboptions") or spec.get("options") or {}, f"{prefix}{name}.")


def _rows(values: Mapping[str, Any], inner: str, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for name, spec in values.items():
        yield f"`{prefix}{name}`", _type(spec), _text(spec.get("description"))
        yield from _rows(spec.get(inner) or {}, inner, f"{prefix}{name}.")


def _type(spec: Mapping[str, Any]) -> str:
    kind = str(spec.get("type", "str"))
    return f"{kind} of {spec['elements']}" if spec.get("elements") else kind


def _text(paragraphs: str | list[str] | None) -> str:
    """Ansible's markup (C(), O(), M(), …) as Markdown."""
    text = "\n\n".join([paragraphs] if isinstance(paragraphs, str) else paragraphs or [])
    text = re.sub(r"\b[CVOEP]\(([^)]*)\)|\bRV\(([^)]*)\)", lambda match: f"`{match[1] or match[2]}`", text)
    text = re.sub(r"\bM\(([^)]*)\)", r"`\1`", text)
    text = re.sub(r"\bB\(([^)]*)\)", r"**\1**", text)
    text = re.sub(r"\bI\(([^)]*)\)", r"*\1*", text)
    text = re.sub(r"\bU\(([^)]*)\)", r"<\1>", text)
    return re.sub(r"\bL\(([^,)]*),\s*([^)]*)\)", r"[\1](\2)", text)
