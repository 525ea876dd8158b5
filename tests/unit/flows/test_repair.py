"""What is found corrupt is forgotten, with what is made of it: the next bake makes it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakery.errors import MachineError
from bakery.flows.bake import artifact_exists
from bakery.flows.inspect import list_packages
from bakery.flows.machines import verify_again
from bakery.model.records import ImageRecord
from bakery.model.result import Status
from tests.unit.builders import TARGET, image_record
from tests.unit.fake_target import task_failure
from tests.unit.flows.workplace import Workplace


def layer_id(place: Workplace, role: str) -> str:
    (found,) = (one.id for one in place.catalog.layers().values() if one.role == role)
    return found


def verify(place: Workplace, corrupt: str) -> ImageRecord:
    """Verify the only image; the target finds a layer corrupt."""
    details = {"kind": "layer_corrupt", "layer": corrupt}
    place.ansible.failures["verify"] = task_failure(None, f"layer {corrupt} is corrupt", details=details)
    image: ImageRecord
    (image,) = place.catalog.images()
    with pytest.raises(MachineError, match=f"layer {corrupt} is corrupt"):
        verify_again(place.kitchen, image, ())
    return image


def test_verify_forgets_a_corrupt_layer_and_its_image(web: Workplace) -> None:
    web.bake_one()
    lost = layer_id(web, "nginx")
    verify(web, lost)
    assert web.catalog.images() == ()
    assert [one.role for one in web.catalog.layers().values()] == ["common"]
    assert web.ansible.machines == set()
    result = web.bake_one()
    assert [(one.role, one.cached) for one in result.layers] == [("common", True), ("nginx", False)]


def test_verify_forgets_a_corrupt_base_and_its_image(web: Workplace) -> None:
    web.bake_one()
    (base,) = web.catalog.bases().values()
    verify(web, base.layer_ids[0])
    assert web.catalog.images() == ()
    assert web.catalog.bases() == {}
    assert len(web.catalog.layers()) == 2
    assert web.bake_one().status is Status.BAKED


def test_an_image_without_the_corrupt_layer_is_remembered(web: Workplace) -> None:
    web.bake_one()
    image = verify(web, "of-another-image")
    assert web.catalog.images() == (image,)


def test_showing_an_image_forgets_what_is_corrupt_in_it(web: Workplace) -> None:
    web.bake_one()
    (image,) = web.catalog.images()
    web.ansible.corrupt.add(layer_id(web, "common"))
    with pytest.raises(MachineError, match="is corrupt"):
        list_packages(web.kitchen, image)
    assert web.catalog.images() == ()
    assert (TARGET, image.layers[0]) not in web.catalog.layers()


def test_an_artifact_exists_if_its_files_have_their_sizes(tmp_path: Path) -> None:
    blob, index = tmp_path / "blob", tmp_path / "index"
    blob.write_text("12345")
    index.write_text("names come and go")
    artifact = {"id": "i", "digest": "d", "paths": [str(blob), str(index)], "sizes": [5]}
    image = image_record("web", artifact=artifact)
    assert artifact_exists(image)
    blob.write_text("1234")
    assert not artifact_exists(image)
    blob.write_text("12345")
    index.unlink()
    assert not artifact_exists(image)
