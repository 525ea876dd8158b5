"""``--rebake``: everything is baked again and compared with what it was."""

from __future__ import annotations

from bakery.model.result import Irreproducible, Status
from tests.unit.builders import TARGET
from tests.unit.flows.workplace import Workplace

FILES = [{"path": "/etc/hosts", "change": "content"}]


def digests(place: Workplace) -> dict[str, str]:
    return {one.role: one.digest for one in place.catalog.layers().values()}


def test_rebake_bakes_every_layer_and_the_image_again(web: Workplace) -> None:
    web.bake_one()
    web.forget_diary()
    result = web.bake_one(rebake=True)
    assert result.status is Status.BAKED
    assert web.ansible.labels() == ["layer common", "layer nginx", "image web"]


def test_a_reproduced_layer_leaves_the_catalog_as_it_was(web: Workplace) -> None:
    web.bake_one()
    before = web.catalog.layers()
    result = web.bake_one(rebake=True)
    assert result.irreproducible == ()
    assert [layer.reproduced for layer in result.layers] == [True, True]
    assert web.catalog.layers() == before


def test_a_layer_that_comes_out_different_is_reported_with_its_files(web: Workplace) -> None:
    web.bake_one()
    before, (common,) = digests(web), [one for one in web.catalog.layers().values() if one.role == "common"]
    web.ansible.contents["common"] = "other bytes"
    web.ansible.reports["inspect"] = {"files": FILES}
    result = web.bake_one(rebake=True)
    after = digests(web)
    assert result.irreproducible == (
        Irreproducible("common", before["common"], after["common"], tuple(FILES)),
    )
    compared = web.ansible.variables_of("inspect")
    assert [layer.reproduced for layer in result.layers] == [False, True]
    assert compared["bakery_layers"] == [common.id]
    assert compared["bakery_other_layers"] != [common.id]


def test_the_catalog_remembers_the_layer_that_was_baked_last(web: Workplace) -> None:
    web.bake_one()
    web.ansible.contents["nginx"] = "other bytes"
    result = web.bake_one(rebake=True)
    known = {one.role: one.id for one in web.catalog.layers().values()}
    assert known["nginx"] == result.layers[1].id


def test_the_first_bake_has_nothing_to_compare_with(web: Workplace) -> None:
    result = web.bake_one(rebake=True)
    assert result.irreproducible == ()
    assert [layer.reproduced for layer in result.layers] == [None, None]
    assert "inspect" not in web.ansible.labels()


def test_rebake_bakes_a_shared_layer_once_and_reports_it_once(shared: Workplace) -> None:
    shared.bake()
    shared.forget_diary()
    shared.ansible.contents["common"] = "other bytes"
    results = shared.bake(rebake=True, jobs=2)
    assert shared.ansible.labels().count("layer common") == 1
    assert sorted(len(one.irreproducible) for one in results) == [0, 1]
    assert {one.target for one in results} == {TARGET}
