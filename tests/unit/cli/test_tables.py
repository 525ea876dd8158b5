"""How answers look, held in ``golden/``; each at 80 columns unless it is about pipes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bakery.cli.doctor.needs import Finding, State
from bakery.cli.documents import BaseDocument, DiffDocument
from bakery.cli.tables.bake import bake_document, failure_text, success_text
from bakery.cli.tables.diff import diff_text
from bakery.cli.tables.doctor import doctor_document, doctor_text
from bakery.cli.tables.images import (
    Lists,
    image_body,
    images_document,
    images_text,
    show_document,
    show_text,
    verify_document,
    verify_text,
)
from bakery.cli.tables.plan import plan_document, plan_text
from bakery.cli.tables.upkeep import (
    base_body,
    base_text,
    prune_document,
    prune_text,
    refreshed_text,
    sweep_document,
    sweep_text,
)
from bakery.errors import ChecksError, MachineError, Place, ProvisionError
from bakery.flows.estimate import Estimate
from bakery.flows.inspect import ImageView
from bakery.flows.upkeep import PrunePlan, Swept
from bakery.model.records import CheckReport
from bakery.model.result import BakeResult, Irreproducible, LayerResult, Status
from tests.unit.builders import base, base_record, image_record, layer_record
from tests.unit.cli.conftest import NARROW, PLAIN
from tests.unit.flows.workplace import Workplace

Golden = Callable[[str, str], None]

LAYERS = (
    LayerResult("common", "1.0.0", "a" * 64, "l1", "sha256:" + "b" * 64, 12_345_678, cached=True, seconds=0),
    LayerResult("nginx", None, "c" * 64, "l2", "sha256:" + "d" * 64, 3_345_678, cached=False, seconds=8.04),
)
ARTIFACT = {
    "kind": "oci-image",
    "id": "sha256:" + "1" * 64,
    "digest": "sha256:" + "2" * 64,
    "location": "oci:/var/lib/bakery/store@sha256:" + "2" * 64,
    "size": 98_765_432,
    "run": "podman run --rm web:latest",
}
BAKED = BakeResult(
    role_set="web",
    target="null",
    status=Status.BAKED,
    fingerprint="e" * 64,
    artifact=ARTIFACT,
    layers=LAYERS,
    checks=CheckReport(passed=14, failed=0, report="/var/lib/bakery/reports/web.json"),
    seconds=48.2,
    names=("web:latest", "web:" + "e" * 12),
)
PACKAGES = {
    "added": [["nginx", "1.22.1-9"], ["libpcre2", "10.42"]],
    "removed": [["exim4", "4.96"]],
    "changed": [["openssl", "3.0.1", "3.0.2"]],
}


def steady(text: str) -> str:
    """Without what depends on the clock and on how fingerprints are made."""
    return re.sub(r"\b[0-9a-f]{12}\b", "0" * 12, re.sub(r"\d{4}-[\d:T-]+Z", "2024-05-01T12:00:00Z", text))


def test_images_of_several_projects_say_whose_they_are(golden: Golden) -> None:
    images = [image_record(name, project=project) for name, project in (("web", "shop"), ("db", "other"))]
    golden("images_of_projects", steady(images_text(images_document(images), NARROW)))


def test_plan_says_whose_image_latest_is(shop: Workplace, golden: Golden) -> None:
    shop.bake("web")
    shop.catalog.add_image(image_record("web", fingerprint="f" * 64, project="other"))
    shop.catalog.add_image(image_record("db", project="other"))
    golden("plan_projects", steady(plan_text(plan_document(shop.plan()), NARROW, why=False)))


def test_plan_of_what_was_never_baked(shop: Workplace, golden: Golden) -> None:
    golden("plan_fresh", steady(plan_text(plan_document(shop.plan()), NARROW, why=False)))


def test_plan_says_why(shop: Workplace, golden: Golden) -> None:
    shop.bake("web")
    golden("plan_why", steady(plan_text(plan_document(shop.plan()), PLAIN, why=True)))


def test_plan_of_what_is_baked(shop: Workplace, golden: Golden) -> None:
    shop.bake()
    golden("plan_unchanged", steady(plan_text(plan_document(shop.plan()), NARROW, why=False)))


ESTIMATE = Estimate(
    {"calls": [{"action": "RunThem", "times": 2}]},
    (
        {"title": "two machines, one after the other", "rows": [["base", "image-1 (x86_64)"], ["try", "a"]]},
        {"title": "calls that change something", "rows": [["2 ×", "RunThem"], ["12 ×", "EndThem"]]},
    ),
)


def test_plan_tells_what_a_target_says_of_a_bake(shop: Workplace, golden: Golden) -> None:
    shop.bake("web")
    plan, estimates = shop.plan(), [None, ESTIMATE]
    document = plan_document(plan, estimates)
    golden("plan_estimate", steady(plan_text(document, NARROW, why=False, estimates=estimates)))
    web, db = document["sets"]
    assert "estimate" not in web
    assert db["estimate"] == ESTIMATE.details
    assert "error" not in db


def test_plan_tells_that_a_target_cannot_be_asked(shop: Workplace, golden: Golden) -> None:
    trouble = MachineError("nobody is logged in", hint="log in")
    plan, estimates = shop.plan(), [Estimate({}, trouble=trouble), None]
    document = plan_document(plan, estimates)
    golden("plan_trouble", steady(plan_text(document, NARROW, why=False, estimates=estimates)))
    body = document["sets"][0]
    assert body["estimate"] is None
    assert (body["error"]["message"], body["error"]["exit_code"]) == ("nobody is logged in", 5)


def test_plan_of_what_a_target_has_is_unchanged(shop: Workplace) -> None:
    plan = shop.plan()
    there = Estimate({}, found={"id": "image-1"})
    half = Estimate({}, found={"id": "image-2"}, unfinished=("it is not there",))
    document = plan_document(plan, [there, half])
    assert [one["status"] for one in document["sets"]] == ["unchanged", "unchanged"]
    assert [one["why"] for one in document["sets"]] == [
        "null has it: image-1",
        "null has it: image-2, but it is not there: a bake finishes that",
    ]
    assert plan_text(document, NARROW, why=False).endswith("every image is there and verified.")


def test_bake_that_succeeded(golden: Golden) -> None:
    golden("bake_success", success_text(BAKED, NARROW))


def test_bake_that_changed_nothing_is_a_line() -> None:
    text = success_text(replace(BAKED, status=Status.UNCHANGED), NARROW)
    assert text == "web  unchanged  web:latest  111111111111"


def test_bake_that_failed_in_a_role(golden: Golden) -> None:
    error = ProvisionError(
        "role 'nginx', task 'Start nginx': the unit failed", where=Place("roles/nginx/tasks/main.yml", 14)
    )
    failed = replace(BAKED, status=Status.FAILED, artifact=None, checks=None, error=error)
    golden("bake_role_failed", failure_text(replace(failed, kept=True), NARROW))
    assert "bakery shell" not in failure_text(failed, NARROW)


def test_a_kept_failure_has_the_command_to_look_inside_as_its_hint() -> None:
    failed = replace(BAKED, status=Status.FAILED, error=ProvisionError("it failed"), kept=True)
    (body,) = bake_document((failed,))["results"]
    assert body["error"] is not None
    assert body["error"]["hint"] == "look inside with 'bakery shell web'"


def test_a_kept_machine_is_shown_with_the_ways_in_and_out() -> None:
    kept = replace(BAKED, machine={"id": "m1", "shell": ["podman", "exec", "-it", "bakery-m1", "bash"]})
    text = success_text(kept, NARROW)
    assert "  enter   podman exec -it bakery-m1 bash\n  remove  bakery sweep --kept" in text
    (body,) = bake_document((kept,))["results"]
    assert body["machine"]["id"] == "m1"


def test_a_rebake_says_that_every_layer_came_out_as_before() -> None:
    layers = tuple(replace(layer, cached=False, reproduced=True) for layer in LAYERS)
    text = success_text(replace(BAKED, layers=layers), NARROW)
    assert "web  baked in 48 s, reproduced: every layer came out as before" in text
    assert text.count("  reproduced  ") == 2
    (body,) = bake_document((replace(BAKED, layers=layers),))["results"]
    assert [layer["reproduced"] for layer in body["layers"]] == [True, True]


def test_a_rebake_counts_the_layers_that_differ() -> None:
    layers = (replace(LAYERS[0], reproduced=True), replace(LAYERS[1], reproduced=False))
    assert "1 of 2 layers not reproduced" in success_text(replace(BAKED, layers=layers), NARROW)


def test_bake_whose_checks_failed(golden: Golden) -> None:
    failures = (
        {"check": "checks/test_web.py::test_serves", "message": "assert 502 == 200\n +  where 502 = x"},
    )
    report = CheckReport(passed=13, failed=1, failures=failures)
    error = ChecksError("1 of 14 checks of 'web' failed", hint="look inside with 'bakery shell web'")
    failed = replace(BAKED, status=Status.FAILED, checks=report, error=error)
    golden("bake_checks_failed", failure_text(replace(failed, kept=True), NARROW))


def test_bake_that_did_not_reproduce(golden: Golden) -> None:
    files = tuple(
        {"path": f"/var/cache/{number}", "change": "changed", "what": ["content"]} for number in range(25)
    )
    different = (Irreproducible("nginx", "sha256:" + "d" * 64, "sha256:" + "f" * 64, files),)
    golden("bake_irreproducible", success_text(replace(BAKED, irreproducible=different), NARROW))


def test_images(golden: Golden) -> None:
    old = image_record("web", fingerprint="0a" * 32, made="in May")
    new = image_record("web", fingerprint="0b" * 32, made="in May")
    database = image_record("db", fingerprint="0c" * 32, made="in May")
    golden("images", images_text(images_document([old, new, database]), NARROW))


def test_no_images_yet() -> None:
    assert images_text(images_document([]), NARROW) == "No images yet; bake one with 'bakery bake'."


def shown() -> ImageView:
    image = image_record(
        "api",
        fingerprint="0d" * 32,
        made="in May",
        artifact=ARTIFACT,
        ancestry=("web",),
        inputs={"image": {"ports": ["80"], "user": "www-data"}},
    )
    detail = {"packages": PACKAGES, "files": 120}
    return ImageView(image, (layer_record("common", version="1.0.0"), layer_record("nginx", detail=detail)))


def test_show(golden: Golden) -> None:
    document = show_document(shown(), latest=True)
    golden("show", show_text(document, NARROW, lists=Lists(), run="podman run --rm api:latest"))


def test_show_begins_its_layers_with_the_base() -> None:
    layers = ({"id": "b1", "size": 240_000_000, "files": 9000}, {"id": "b2", "size": 1_000_000, "files": 1})
    view = replace(shown(), base=base_record(base(), layers=layers))
    document = show_document(view, latest=True)
    assert document["base"] is not None
    assert (document["base"]["size"], document["base"]["files"]) == (241_000_000, 9001)
    text = show_text(document, PLAIN, lists=Lists(), run=None)
    assert re.search(r"^  \(base\) bookworm +content of b +241 MB +9001$", text, re.MULTILINE)


def test_show_of_an_image_without_layers_lists_its_roles_and_the_other_targets(golden: Golden) -> None:
    elsewhere = (image_record("api", target="other", fingerprint="0e" * 32, made="in May"),)
    image = replace(shown().image, layers=(), inputs={"roles": [["common", "1.0.0"], ["nginx", None]]})
    document = show_document(ImageView(image, (), elsewhere=elsewhere), latest=True)
    golden("show_side_by_side", show_text(document, NARROW, lists=Lists(), run=None))


def test_show_with_packages(golden: Golden) -> None:
    document = show_document(shown(), latest=True)
    golden("show_packages", show_text(document, PLAIN, lists=Lists(packages=True), run=None))


def test_show_with_packages_of_an_image_without_layers() -> None:
    view = replace(shown(), layers=())
    text = show_text(show_document(view, latest=True), PLAIN, lists=Lists(packages=True), run=None)
    assert text.endswith("  PACKAGES\n    not known here")
    artifact = {**ARTIFACT, "packages": [["libc6", "2.36"], ["nginx", "1.22.1-9"]]}
    document = show_document(replace(view, image=replace(view.image, artifact=artifact)), latest=True)
    assert document["packages"] == artifact["packages"]
    text = show_text(document, PLAIN, lists=Lists(packages=True), run=None)
    assert text.endswith("  PACKAGES\n    libc6 2.36\n    nginx 1.22.1-9")


def test_what_no_role_brought_comes_before_what_roles_did() -> None:
    image = image_body(image_record("web"), latest=True)
    packages = {
        "added": [{"name": "nginx", "version": "1", "role": "nginx"}],
        "removed": [{"name": "grub", "version": "2", "role": None}],
    }
    document: DiffDocument = {"left": image, "right": image, "same": False, "report": {"packages": packages}}
    assert diff_text(document, PLAIN).splitlines()[3:7] == [
        "PACKAGES  1 added and 1 removed",
        "    - grub 2",
        "  nginx",
        "    + nginx 1",
    ]


def test_diff(golden: Golden) -> None:
    files = [
        {"path": "/etc/nginx/nginx.conf", "change": "changed", "role": "nginx", "what": ["content", "mode"]},
        {"path": "/etc/motd", "change": "removed", "role": "common"},
        {"path": "/var/www/new", "change": "added", "role": "nginx"},
    ]
    left = image_body(image_record("web"), latest=True)
    right = image_body(image_record("api"), latest=True)
    packages = {
        "added": [{"name": "nginx", "version": "1.22.1-9", "role": "nginx"}],
        "removed": [{"name": "exim4", "version": "4.96", "role": "common"}],
        "changed": [{"name": "openssl", "old": "3.0.1", "new": "3.0.2", "role": "nginx"}],
    }
    report = {"packages": packages, "files": files}
    golden("diff", diff_text({"left": left, "right": right, "same": False, "report": report}, NARROW))


def test_diff_of_the_same_image() -> None:
    image = image_body(image_record("web"), latest=True)
    text = diff_text({"left": image, "right": image, "same": True, "report": {}}, NARROW)
    assert text.endswith("The two are the same image.")


def test_verify() -> None:
    passed = verify_document(image_record("web"), CheckReport(passed=3, failed=0), latest=True)
    assert verify_text(passed, NARROW) == "web  verified: 3 checks passed"
    failures = ({"check": "test_a", "message": "assert False"},)
    failed = verify_document(image_record("web"), CheckReport(2, 1, failures=failures), latest=True)
    assert verify_text(failed, NARROW).splitlines() == [
        "web  failed: 1 of 3 checks failed",
        "  ✗ test_a",
        "      assert False",
    ]


def test_sweep(golden: Golden) -> None:
    report = {
        "machines": ["m1"],
        "mounts": ["/var/lib/bakery/machines/m1/merged"],
        "containers": [],
        "directories": [],
    }
    document = sweep_document([Swept("null", report, ("m1",))], (), dry_run=True)
    golden("sweep", sweep_text(document, NARROW))
    cloud = {"security_groups": ["sg-1"], "images": ["a", "b"], "volumes": []}
    shown = sweep_text(sweep_document([Swept("cloud", cloud, ())], (), dry_run=False), NARROW)
    assert [line.split(None, 1)[1] for line in shown.splitlines()[1:4]] == [
        "security group  sg-1",
        "image           a",
        "image           b",
    ]
    failed = sweep_document([Swept("null", {}, (), error=MachineError("nobody answers"))], (), dry_run=True)
    assert failed["targets"][0]["error"] is not None
    assert not sweep_text(failed, NARROW)
    nothing = sweep_document([Swept("null", {}, ())], (), dry_run=False)
    assert sweep_text(nothing, NARROW).startswith("Nothing to sweep")


def test_prune(golden: Golden) -> None:
    plan = PrunePlan(
        target="null",
        images=(image_record("web", fingerprint="0a" * 32, made="in May"),),
        layers=(layer_record("nginx", key="ab" * 32, made="in May"),),
        keep_images=(),
        keep_layers=(),
        keep_bases=(),
    )
    pruned = [(plan, {"layers": 1, "blobs": 3, "bytes": 123_456_789})]
    golden("prune", prune_text(prune_document(pruned, dry_run=False), pruned, NARROW))


def test_bases(golden: Golden) -> None:
    record = base_record(made="in May", digest="sha256:" + "a" * 64)
    document: BaseDocument = {
        "bases": [
            base_body("null", "bookworm", record=record, wanted=True),
            base_body("null", "trixie", record=None, wanted=True),
        ]
    }
    golden("bases", base_text(document, NARROW))


def test_refreshed_bases_say_what_follows() -> None:
    record = base_record(digest="sha256:" + "a" * 64)
    document: BaseDocument = {"bases": [base_body("null", "bookworm", record=record, wanted=True)]}
    changed = refreshed_text({("null", "bookworm"): "sha256:" + "b" * 64}, document, PLAIN)
    assert changed.endswith("Role sets on bookworm will be baked again.")
    assert "will be baked again" not in refreshed_text({}, document, PLAIN)
    same = refreshed_text({("null", "bookworm"): "sha256:" + "a" * 64}, document, PLAIN)
    assert same == "bookworm on null: aaaaaaaaaaaa, the same as before"


def test_doctor(golden: Golden, tmp_path: Path) -> None:
    findings = (
        Finding("root", "makes machines", State.OK, found="yes"),
        Finding(
            "engine", "runs machines", State.MISSING, trouble="there is no command 'engine'", get="buy one"
        ),
        Finding("keyring", "for Ubuntu", State.MISSING, trouble="no such file", optional=True),
        Finding("region", "is where", State.OK, found="eu-central-1, of the project"),
        Finding("credentials", "say whose", State.MISSING, trouble="there are none; log in", optional=True),
        Finding("overlay mounts", "layers", State.SKIPPED, trouble="can only be tried by root"),
    )
    document = doctor_document(findings, [])
    assert not document["ok"]
    golden("doctor", doctor_text(document, NARROW))
    assert doctor_document(findings[:1] + findings[2:3], [])["ok"], "what is optional stands in nobody's way"
