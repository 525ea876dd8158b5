"""``bakery show`` and ``bakery diff``: what is in an image, and what sets two apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bakery.errors import InputError
from bakery.flows.handed_up import handed_up
from bakery.flows.kitchen import Kitchen
from bakery.flows.repair import forgetting_what_is_corrupt
from bakery.model.contents import Contents, compare_contents, contents_of
from bakery.model.records import BaseRecord, ImageRecord, LayerRecord


@dataclass(frozen=True)
class ImageView:
    """An image with its role layers, lowest first; ``base`` is None if it was renewed or removed since.

    ``elsewhere`` are the newest images of the same role set and project on other targets.
    """

    image: ImageRecord
    layers: tuple[LayerRecord, ...]
    base: BaseRecord | None = None
    elsewhere: tuple[ImageRecord, ...] = ()


def view_image(kitchen: Kitchen, image: ImageRecord) -> ImageView:
    """The image and what the catalog knows of its layers; layers that were pruned are absent."""
    known = kitchen.catalog.layers()
    layers = tuple(known[image.target, key] for key in image.layers if (image.target, key) in known)
    bases = (one for one in kitchen.catalog.bases().values() if one.target == image.target)
    base = next((one for one in bases if one.digest == image.base_digest), None)
    mine = (image.role_set, image.project)
    others = {one.target: one for one in kitchen.catalog.images() if (one.role_set, one.project) == mine}
    elsewhere = tuple(one for target, one in sorted(others.items()) if target != image.target)
    return ImageView(image, layers, base, elsewhere)


def compare_images(kitchen: Kitchen, ours: ImageRecord, theirs: ImageRecord) -> Mapping[str, Any]:
    """A report of packages and files that differ, by role.

    Two stacks of layers are compared by their target, all others by what their targets say is in each.
    """
    before, after = _chain(kitchen, ours), _chain(kitchen, theirs)
    if ours.target != theirs.target or not (before and after):
        return compare_contents(look_into(kitchen, ours), look_into(kitchen, theirs))
    chains = {"bakery_layers": before, "bakery_other_layers": after}
    digests = (str(ours.artifact["digest"]), str(theirs.artifact["digest"]))
    with forgetting_what_is_corrupt(kitchen, ours.target, *digests):
        up = kitchen.run("inspect.yml", ours.target, chains)
    return handed_up(up, "report", ours.target)


def look_into(kitchen: Kitchen, image: ImageRecord) -> Contents:
    """What is in one image; InputError if its target does not know that here."""
    asked = {
        "bakery_layers": _chain(kitchen, image),
        "bakery_artifact": dict(image.artifact),
        "bakery_contents": True,
    }
    with forgetting_what_is_corrupt(kitchen, image.target, str(image.artifact["digest"])):
        up = kitchen.run("inspect.yml", image.target, asked)
    told = handed_up(up, "report", image.target).get("contents")
    if not told:
        raise InputError(
            f"what is in '{image.role_set}' on target '{image.target}' is not known here",
            hint=f"bake it here: bakery bake {image.role_set} --target {image.target} --rebake",
        )
    return contents_of(told)


def list_packages(kitchen: Kitchen, image: ImageRecord) -> Mapping[str, Any]:
    """The target's report on one image: its packages, and which role brought each."""
    with forgetting_what_is_corrupt(kitchen, image.target, str(image.artifact["digest"])):
        up = kitchen.run("inspect.yml", image.target, {"bakery_layers": _chain(kitchen, image)})
    return handed_up(up, "report", image.target)


def _chain(kitchen: Kitchen, image: ImageRecord) -> list[str]:
    view = view_image(kitchen, image)
    if len(view.layers) != len(image.layers):
        raise InputError(
            f"some layers of '{image.role_set}' were pruned",
            hint=f"bake it again: bakery bake {image.role_set}",
        )
    return [*image.inputs.get("base_layers", ()), *(layer.id for layer in view.layers)]
