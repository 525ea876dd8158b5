"""A layer that is missing or spoilt is forgotten, with what is made of it: the next bake makes it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bakery.errors import MachineError
from bakery.flows.kitchen import Kitchen, LayerCorrupt
from bakery.model.records import ImageRecord


def forget_layer(kitchen: Kitchen, target: str, layer_id: str) -> None:
    """Forget a layer and the base that it is a part of. Images stay: their artifacts may well be whole."""
    bases = {
        base.digest
        for (kind, _), base in kitchen.catalog.bases().items()
        if kind == target and layer_id in base.layer_ids
    }
    kitchen.catalog.forget_bases(target, tuple(sorted(bases)))
    kitchen.catalog.forget_layers(target, (layer_id,))


@contextmanager
def forgetting_what_is_corrupt(kitchen: Kitchen, target: str, *artifacts: str) -> Iterator[None]:
    """Where a step finds a corrupt layer, forget it and those of the images ``artifacts`` that have it."""
    try:
        yield
    except LayerCorrupt as trouble:
        spoilt = [
            str(image.artifact["digest"])
            for image in kitchen.catalog.images()
            if image.target == target and _may_contain(kitchen, image, trouble.layer_id)
        ]
        kitchen.catalog.forget_images(target, tuple(one for one in artifacts if one in spoilt))
        forget_layer(kitchen, target, trouble.layer_id)
        raise MachineError(trouble.message) from trouble


def _may_contain(kitchen: Kitchen, image: ImageRecord, layer_id: str) -> bool:
    """Whether the layer is a part of the image; so it may be where the catalog forgot some layer of it."""
    known = kitchen.catalog.layers()
    ids = [known[image.target, key].id for key in image.layers if (image.target, key) in known]
    return len(ids) < len(image.layers) or layer_id in (*ids, *image.inputs.get("base_layers", ()))
