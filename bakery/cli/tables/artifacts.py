"""What was captured, as documents and tables tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakery.cli.documents import Artifact, Copy


def artifact_body(told: Mapping[str, Any]) -> Artifact:
    """The artifact that a target handed up; what the target does not tell of is left out."""
    body: Artifact = {
        "kind": str(told["kind"]),
        "id": str(told["id"]),
        "digest": str(told["digest"]),
        "location": str(told["location"]),
    }
    if told.get("account"):
        body["account"] = str(told["account"])
    if told.get("base_image"):
        body["base_image"] = str(told["base_image"])
    if told.get("snapshots"):
        body["snapshots"] = [str(one) for one in told["snapshots"]]
    if told.get("regions"):
        body["copies"] = [_copy(one) for one in told["regions"]]
    return body


def _copy(told: Mapping[str, Any]) -> Copy:
    return {
        "id": str(told["id"]),
        "location": str(told["location"]),
        "snapshots": [str(one) for one in told.get("snapshots", ())],
    }


def artifact_facts(artifact: Artifact) -> list[tuple[str, str]]:
    """Labels and values beyond id and digest, those that it has."""
    copies = ", ".join(copy["location"] for copy in artifact.get("copies", ()))
    account = artifact.get("account", "")
    return [("where", artifact["location"]), ("copies", copies), ("account", account)]
