"""The JSON Schema of bakery.yml, derived from the shapes that read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bakery.load.format import project_format
from bakery.model.target import TargetKind


def json_schema(targets: Iterable[TargetKind] = ()) -> dict[str, Any]:
    """JSON Schema, draft 7: accepts what the loader accepts, except that names which refer to something, and
    paths, are checked by the loader alone. ``targets`` are those that exist.
    """
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "bakery.yml",
        "description": "Bases, role sets and defaults of a bakery project.",
        **project_format(targets).schema(),
    }
