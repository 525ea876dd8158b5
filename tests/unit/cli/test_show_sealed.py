"""``bakery show --sealed``: what sealing took away of each layer, and why."""

from __future__ import annotations

from collections.abc import Callable

from bakery.cli.tables.images import Lists, show_document, show_text
from bakery.flows.inspect import ImageView
from tests.unit.builders import image_record, layer_record
from tests.unit.cli.conftest import PLAIN

ENTRIES = [
    {"path": "/var/log/app.log", "what": "emptied", "reason": "logs of the bake"},
    {"path": "/tmp/\x1b[31mred", "what": "removed", "reason": "lives no longer than the machine"},
]


def test_each_layer_tells_its_own(golden: Callable[[str, str], None]) -> None:
    layers = (
        layer_record("common"),
        layer_record("nginx", detail={"sealed": {"entries": ENTRIES, "more": 3}}),
        layer_record("app", detail={"sealed": {"entries": [], "more": 0}}),
    )
    image = image_record("api", fingerprint="0d" * 32, made="in May")
    document = show_document(ImageView(image, layers), latest=True)
    assert document["layers"][1]["sealed"] == ENTRIES
    assert document["layers"][1]["sealed_more"] == 3
    golden("show_sealed", show_text(document, PLAIN, lists=Lists(sealed=True), run=None))


def test_an_image_without_layers_tells_of_the_whole() -> None:
    image = image_record("api", fingerprint="0d" * 32, made="in May")
    artifact = {**image.artifact, "sealed": {"entries": ENTRIES, "more": 0}}
    for told, line in ((artifact, "emptied  /var/log/app.log"), (image.artifact, "not known here")):
        document = show_document(ImageView(image_record("api", artifact=told), ()), latest=True)
        assert line in show_text(document, PLAIN, lists=Lists(sealed=True), run=None)
