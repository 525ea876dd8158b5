"""docs/reference/bakery-yml.md and bakery.schema.json, from what `bakery schema` prints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tools.reference import markdown

Schema = Mapping[str, Any]
SCALARS = {"string", "number", "boolean"}

INTRODUCTION = """\
The project file is found by walking up from the working directory; `--project` names another. The tables
below are made from its [JSON Schema](bakery.schema.json), which `bakery schema` prints and which editors use
through the first line that `bakery init` writes:

```yaml
# yaml-language-server: $schema=PATH-OR-URL-OF/bakery.schema.json
```

Every mistake in a project file is reported with its line, all of them at once. In the paths below `NAME` is a
name that you choose and `[]` is an element of a list."""


def render_schema() -> str:
    return _printed()


def render() -> str:
    schema: Schema = json.loads(_printed())
    sections = list(_sections(schema, _resolve(schema, schema), ""))
    return markdown.page("bakery.yml", INTRODUCTION, *sections)


@cache
def _printed() -> str:
    command = str(Path(sys.executable).parent / "bakery")
    done = subprocess.run([command, "schema"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"bakery schema: {done.stderr.strip()}")
    return done.stdout


def _sections(root: Schema, node: Schema, path: str) -> Iterator[str]:
    """The section of the mapping at ``path``, then those of the mappings below it."""
    yield f"## {f'`{path}`' if path else 'The file'}"
    yield str(node.get("description", ""))
    required = node.get("required", [])
    properties: Mapping[str, Schema] = node.get("properties", {})
    yield markdown.table(
        ("key", "takes", "default", "is"),
        (_row(root, name, spec, required=name in required) for name, spec in properties.items()),
    )
    for name, spec in properties.items():
        for below, mapping in _mappings(root, spec, f"{path}.{name}" if path else name):
            yield from _sections(root, mapping, below)


def _row(root: Schema, name: str, spec: Schema, *, required: bool) -> tuple[str, str, str, str]:
    resolved = _resolve(root, spec)
    default = spec.get("default", resolved.get("default"))
    shown = "required" if required else "" if default in (None, [], {}) else f"`{json.dumps(default)}`"
    return (
        f"`{name}`",
        _takes(root, spec),
        shown,
        str(spec.get("description", resolved.get("description", ""))),
    )


def _takes(root: Schema, spec: Schema) -> str:
    """The type in words. That a key may stand there without a value goes without saying."""
    spec = _resolve(root, spec)
    if "properties" in spec:
        return "mapping"
    if alternatives := (*spec.get("anyOf", ()), *spec.get("oneOf", ())):
        words = (_takes(root, one) for one in alternatives if one.get("type") != "null")
        return " or ".join(dict.fromkeys(words))
    if "const" in spec or "enum" in spec:
        return " or ".join(f"`{value}`" for value in spec.get("enum", [spec.get("const")]))
    kinds = spec.get("type", "anything")
    if isinstance(kinds, list) and SCALARS.issubset(kinds):
        return "scalar"
    return " or ".join(_kind(root, spec, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _kind(root: Schema, spec: Schema, kind: str) -> str:
    match kind:
        case "array":
            return f"list of {_takes(root, spec.get('items', {}))}"
        case "object" if isinstance(spec.get("additionalProperties"), Mapping):
            return f"names, each with {_takes(root, spec['additionalProperties'])}"
        case "object":
            return "mapping"
    return kind


def _mappings(root: Schema, spec: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Mappings with keys of their own that ``spec`` contains, with their paths."""
    spec = _resolve(root, spec)
    if "properties" in spec:
        yield path, spec
    for alternative in (*spec.get("anyOf", ()), *spec.get("oneOf", ())):
        yield from _mappings(root, alternative, path)
    if isinstance(spec.get("additionalProperties"), Mapping):
        yield from _mappings(root, spec["additionalProperties"], f"{path}.NAME")
    if isinstance(spec.get("items"), Mapping):
        yield from _mappings(root, spec["items"], f"{path}[]")


def _resolve(root: Schema, spec: Schema) -> Schema:
    """Follow ``$ref``; what stands beside it wins."""
    while "$ref" in spec:
        target: Any = root
        for step in str(spec["$ref"]).removeprefix("#/").split("/"):
            target = target[step]
        spec = {**target, **{key: value for key, value in spec.items() if key != "$ref"}}
    return spec
