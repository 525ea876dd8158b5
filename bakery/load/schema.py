"""The JSON Schema of bakery.yml, derived from the shapes that read it."""

from __future__ import annotations

from typing import Any

from bakery.load.format import PROJECT


def json_schema() -> dict[str, Any]:
    """JSON Schema, draft 7: accepts what the loader accepts, except that names which refer to something, and
    paths, are checked by the loader alone.
    """
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "bakery.yml",
        "description": "Bases, role sets and defaults of a bakery project.",
        **PROJECT.schema(),
    }
