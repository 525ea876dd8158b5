"""``bakery shell`` and ``bakery verify``: which image is meant, and what runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bakery.errors import InputError
from bakery.flows.delivery import export_image, load_image
from bakery.flows.inspect import compare_images, list_packages, view_image
from bakery.flows.machines import find_image, find_inside, run_shell, verify_again
from bakery.model.records import ImageRecord
from tests.unit.builders import TARGET, image_record
from tests.unit.fake_target import CHECKS_FAIL, task_failure
from tests.unit.flows.workplace import Workplace, keep

OLD = image_record("web", fingerprint="aaaaaaaaaaaa" + "0" * 52)
NEW = image_record("web", fingerprint="bbbbbbbbbbbb" + "0" * 52)
DB = image_record("db", fingerprint="cccccccccccc" + "0" * 52)


@pytest.fixture
def known(web: Workplace) -> Workplace:
    for image in (OLD, NEW, DB):
        web.catalog.add_image(image)
    return web


NAMES = [
    ("web", NEW),
    ("web:latest", NEW),
    ("web:aaaaaaaaaaaa", OLD),
    ("web:aaaa", OLD),
    ("db", DB),
    (str(OLD.artifact["digest"]), OLD),
    (str(OLD.artifact["digest"])[:20], OLD),
    (str(OLD.artifact["id"]), OLD),
    (str(DB.artifact["digest"]).removeprefix("sha256:")[:12], DB),
    (OLD.fingerprint, OLD),
    ("aaaaaa", OLD),
]


@pytest.mark.parametrize(("name", "image"), NAMES)
def test_an_image_is_found_by_name_tag_or_digest(known: Workplace, name: str, image: ImageRecord) -> None:
    assert find_image(known.kitchen, name) == image


@pytest.mark.parametrize(
    "name", ["wbe", "web:nosuch", "aaaaa", "sha256:", "sha256:00", "", "web:", ":latest"]
)
def test_an_unknown_image_is_refused_with_those_that_are_known(known: Workplace, name: str) -> None:
    with pytest.raises(InputError) as refusal:
        find_image(known.kitchen, name)
    assert str(refusal.value) == f"there is no image '{name}'; known images: web, db"


def test_without_images_the_refusal_says_so(web: Workplace) -> None:
    with pytest.raises(InputError) as refusal:
        find_image(web.kitchen, "web")
    assert str(refusal.value) == "there is no image 'web'; known images: none yet"


def test_the_beginning_of_several_digests_is_refused(web: Workplace) -> None:
    images = [
        image_record(name, fingerprint="abcdef" + digit * 58) for name, digit in (("web", "1"), ("db", "2"))
    ]
    for image in images:
        web.catalog.add_image(image)
    with pytest.raises(InputError) as refusal:
        find_image(web.kitchen, "abcdef")
    assert str(refusal.value) == (
        "'abcdef' begins the digests of several images; they are web:abcdef111111, db:abcdef222222"
    )
    assert find_image(web.kitchen, "abcdef1") == images[0]


def test_records_of_one_artifact_are_one_image_and_the_newest_is_meant(known: Workplace) -> None:
    again = replace(OLD, checks_digest="other checks")
    known.catalog.add_image(again)
    assert find_image(known.kitchen, str(OLD.artifact["digest"])) == again


def test_a_target_narrows_the_search(known: Workplace) -> None:
    elsewhere = replace(OLD, target="elsewhere")
    known.catalog.add_image(elsewhere)
    assert find_image(known.kitchen, "web", "elsewhere") == elsewhere
    assert find_image(known.kitchen, "web", TARGET) == NEW


# ── shell ────────────────────────────────────────────────────────────────────────────────────────


def test_a_shell_opens_on_the_newest_image(web: Workplace) -> None:
    result = web.bake_one()
    inside = find_inside(web.kitchen, "web", None)
    assert inside.artifact == result.artifact
    assert inside.kept is None


def test_a_shell_opens_on_the_failed_machine_that_was_kept(web: Workplace) -> None:
    web.bake_one()
    web.changes = {"toolchain": replace(web.world().toolchain, ansible_core="2.20")}
    web.ansible.failures["layer nginx"] = task_failure("nginx")
    web.bake_one(on_failure=keep)
    inside = find_inside(web.kitchen, "web", None)
    assert (inside.kept, inside.artifact) == ("web-null", None)
    web.ansible.failures.clear()
    run_shell(web.kitchen, inside, lambda machine: 0)
    told = web.ansible.variables_of("shell")
    assert told["bakery_kept"] == "web-null"
    assert told["bakery_parents"] == list(inside.layers)


def test_a_shell_opens_on_the_image_whose_checks_failed(web: Workplace) -> None:
    web.ansible.checks["web"] = CHECKS_FAIL
    result = web.bake_one()
    assert find_inside(web.kitchen, "web", None).artifact == result.artifact


def test_a_tag_asks_for_the_image_although_the_last_bake_failed(web: Workplace) -> None:
    good = web.bake_one()
    web.changes = {"toolchain": replace(web.world().toolchain, ansible_core="2.20")}
    web.ansible.checks["web"] = CHECKS_FAIL
    web.bake_one()
    assert find_inside(web.kitchen, "web:latest", None).artifact == good.artifact


def test_a_shell_machine_is_discarded_after_use(web: Workplace) -> None:
    web.bake_one()
    web.forget_diary()
    standing = []

    def use(machine: object) -> int:
        standing.append(machine)
        assert len(web.ansible.machines) == 1
        return 7

    assert run_shell(web.kitchen, find_inside(web.kitchen, "web", None), use) == 7
    assert web.diary.lines == ["open shell", "run shell", "run discard", "close shell"]
    assert web.ansible.machines == set()


def test_a_shell_machine_is_discarded_when_its_use_fails(web: Workplace) -> None:
    web.bake_one()

    def use(machine: object) -> int:
        raise OSError("no terminal")

    with pytest.raises(OSError, match="no terminal"):
        run_shell(web.kitchen, find_inside(web.kitchen, "web", None), use)
    assert web.ansible.machines == set()
    assert web.catalog.open_machines() == ()


# ── verify, show, diff, load, export ─────────────────────────────────────────────────────────────


def test_verifying_again_changes_no_record(web: Workplace) -> None:
    web.bake_one()
    (record,) = web.catalog.images()
    web.forget_diary()
    report = verify_again(web.kitchen, record, ("/project/checks",))
    assert (report.passed, report.failed) == (3, 0)
    assert web.catalog.images() == (record,)
    assert web.diary.lines == ["open verify", "run verify", "close verify"]


def test_an_image_is_shown_with_its_layers_lowest_first(web: Workplace) -> None:
    web.bake_one()
    view = view_image(web.kitchen, web.catalog.images()[0])
    assert [layer.role for layer in view.layers] == ["common", "nginx"]


def test_two_images_are_compared_by_their_whole_chains(shared: Workplace) -> None:
    shared.bake()
    web, db = shared.catalog.images()
    compare_images(shared.kitchen, web, db)
    told = shared.ansible.variables_of("inspect")
    assert [one.split("-")[0] for one in told["bakery_layers"]] == ["base", "common", "nginx"]
    assert [one.split("-")[0] for one in told["bakery_other_layers"]] == ["base", "common", "postgresql"]


def test_images_of_two_targets_are_compared_by_what_is_in_them(web: Workplace) -> None:
    theirs = replace(DB, target="elsewhere")
    file = {"kind": "file", "mode": "0644", "owner": "root:root", "digest": "sha256:1"}
    file |= {"package": "", "packaged": False}
    ours_told = {"packages": {"libc6": "1"}, "files": {"/srv/x": file}, "roles": {"/srv/x": "nginx"}}
    theirs_told = {"packages": {"libc6": "2"}, "files": {"/srv/x": {**file, "mode": "0600"}}}
    for image, told in ((OLD, ours_told), (theirs, theirs_told)):
        web.ansible.reports[f"contents {image.artifact['id']}"] = told
    report = compare_images(web.kitchen, OLD, theirs)
    assert [run.variables["bakery_target"] for run in web.ansible.runs] == [TARGET, "elsewhere"]
    assert report["packages"]["changed"] == [{"name": "libc6", "old": "1", "new": "2", "role": None}]
    assert [(row["path"], row["what"], row["role"]) for row in report["files"]] == [
        ("/srv/x", ["mode"], "nginx")
    ]


def test_an_image_whose_contents_nobody_saw_says_how_to_get_them(web: Workplace) -> None:
    with pytest.raises(InputError) as refusal:
        compare_images(web.kitchen, replace(OLD, target="elsewhere"), NEW)
    assert str(refusal.value) == (
        "what is in 'web' on target 'elsewhere' is not known here; "
        "bake it here: bakery bake web --target elsewhere --rebake"
    )


def test_an_image_whose_layers_were_pruned_says_how_to_get_them_back(web: Workplace) -> None:
    with pytest.raises(InputError) as refusal:
        list_packages(web.kitchen, replace(OLD, layers=("gone",)))
    assert str(refusal.value) == "some layers of 'web' were pruned; bake it again: bakery bake web"


def test_load_and_export_name_the_artifact_by_digest(known: Workplace, tmp_path: Path) -> None:
    load_image(known.kitchen, OLD)
    export_image(known.kitchen, OLD, tmp_path / "web.tar", archive="oci-archive")
    for label in ("load", "export"):
        assert known.ansible.variables_of(label)["bakery_artifact_name"] == OLD.artifact["digest"]
    assert known.ansible.variables_of("export")["bakery_export"] == {
        "path": str(tmp_path / "web.tar"),
        "format": "oci-archive",
    }
