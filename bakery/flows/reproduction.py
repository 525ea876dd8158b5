"""``--rebake``: the same inputs must give the old digests back; say which files differ where they do not."""

from __future__ import annotations

from bakery.flows.handed_up import handed_up
from bakery.flows.kitchen import Kitchen
from bakery.model.records import LayerRecord
from bakery.model.result import Irreproducible


def compare_layers(
    kitchen: Kitchen, before: LayerRecord | None, after: LayerRecord
) -> tuple[Irreproducible, ...]:
    """How a layer that was baked again differs from what it was; empty if it does not."""
    if before is None or before.digest == after.digest:
        return ()
    up = kitchen.run(
        "inspect.yml",
        after.target,
        {"bakery_layers": [before.id], "bakery_other_layers": [after.id]},
    )
    files = tuple(handed_up(up, "report", after.target).get("files") or ())
    return (Irreproducible(role=after.role, before=before.digest, after=after.digest, files=files),)
