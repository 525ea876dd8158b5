"""What holds for every target kind, run on every target kind.

Provisioning uses `raw` alone, so that the kinds need nothing in common but a shell.
"""

from __future__ import annotations

import hashlib
import itertools
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from bakery.adapters.owner import this_owner
from bakery.model.records import BaseRecord
from tests.contract.conftest import SOURCES, Pipeline, PlaybookFailed

_numbers = itertools.count()


def provision(directory: Path, command: str) -> str:
    """A play that runs a shell command in the machine's root directory."""
    play = directory / "provision.yml"
    play.write_text(
        "- name: Provision\n  hosts: machine\n  gather_facts: false\n  tasks:\n"
        "    - name: Run it\n      ansible.builtin.raw: |\n"
        "        cd {{ bakery_machine_root | default('/') }}\n"
        f"        {command}\n"
    )
    return str(play)


def bake_layer(pipeline: Pipeline, base: dict[str, Any], directory: Path, command: str) -> dict[str, Any]:
    parents = [layer["id"] for layer in base["layers"]]
    up = pipeline.run(
        "layer.yml",
        bakery_machine_id=f"m{next(_numbers)}",
        bakery_parents=parents,
        bakery_epoch=base["epoch"],
        bakery_layer={"role": "r", "version": "1", "created_by": "test"},
        bakery_provision=provision(directory, command),
    )
    return up["layer"]


@pytest.fixture(scope="session")
def layer(
    pipeline: Pipeline, base: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    return bake_layer(
        pipeline, base, tmp_path_factory.mktemp("provision"), "mkdir -p srv; echo hello > srv/hello"
    )


@pytest.fixture(scope="session")
def image(
    pipeline: Pipeline, base: dict[str, Any], layer: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What a passing image step hands up."""
    return make_image(pipeline, base, layer, tmp_path_factory.mktemp("checks"), expected="hello")


def make_image(
    pipeline: Pipeline, base: dict[str, Any], layer: dict[str, Any], directory: Path, *, expected: str
) -> dict[str, Any]:
    check = directory / "test_hello.py"
    check.write_text(
        "def test_hello(host):\n"
        "    found = host.run('cat ${BAKERY_MACHINE_ROOT:-}/srv/hello').stdout.strip()\n"
        f"    assert found == {expected!r}\n"
    )
    return pipeline.run(
        "image.yml",
        bakery_machine_id=f"m{next(_numbers)}",
        bakery_layers=[*(one["id"] for one in base["layers"]), layer["id"]],
        bakery_image={
            "name": "hello",
            "fingerprint": "0" * 64,
            "config": {},
            "base_config": base["config"],
            "epoch": base["epoch"],
            "history": [{"layer": layer["id"], "created_by": "test"}],
            "annotations": {},
        },
        bakery_checks=[str(directory)],
        bakery_report=str(directory / "report.json"),
        bakery_verify_fails=False,
        bakery_names=["hello:latest"],
    )


def test_base_has_what_the_catalog_records(base: dict[str, Any]) -> None:
    assert base.keys() >= {
        "name",
        "layers",
        "digest",
        "epoch",
        "architecture",
        "systemd",
        "config",
        "resolved",
    }
    record = BaseRecord(
        target="t",
        name=base["name"],
        spec="s",
        digest=base["digest"],
        epoch=base["epoch"],
        architecture=base["architecture"],
        systemd=base["systemd"],
        layers=tuple(base["layers"]),
        config=base["config"],
        resolved=base["resolved"],
        made=base["created"],
    )
    assert all(record.layer_ids)


def test_base_is_made_once(pipeline: Pipeline, base: dict[str, Any]) -> None:
    again = pipeline.run("base.yml", bakery_base={"name": "b", "source": SOURCES[pipeline.kind]})["base"]
    assert again == base


def test_layer_says_what_it_is(layer: dict[str, Any]) -> None:
    assert layer.keys() >= {"id", "digest", "size", "files", "blob", "role", "version", "packages", "seconds"}
    assert layer["digest"].startswith("sha256:")
    assert layer["seconds"].keys() == {"stop", "seal", "freeze", "pack"}
    assert layer["packages"].keys() == {"added", "removed", "changed"}


def test_machine_is_gone_after_its_checkpoint(pipeline: Pipeline, layer: dict[str, Any]) -> None:
    assert pipeline.machines() == []


def test_equal_work_gives_an_equal_digest(
    pipeline: Pipeline, base: dict[str, Any], layer: dict[str, Any], tmp_path: Path
) -> None:
    again = bake_layer(pipeline, base, tmp_path, "mkdir -p srv; echo hello > srv/hello")
    assert (again["digest"], again["id"] != layer["id"]) == (layer["digest"], True)


def test_other_work_gives_another_digest(
    pipeline: Pipeline, base: dict[str, Any], layer: dict[str, Any], tmp_path: Path
) -> None:
    other = bake_layer(pipeline, base, tmp_path, "mkdir -p srv; echo goodbye > srv/hello")
    assert other["digest"] != layer["digest"]


def test_image_is_verified_named_and_its_machine_gone(pipeline: Pipeline, image: dict[str, Any]) -> None:
    assert (image["checks"]["passed"], image["checks"]["failed"]) == (1, 0)
    assert image["names"] == ["hello:latest"]
    assert image["artifact"].keys() >= {"kind", "id", "digest", "location", "size", "run", "paths"}
    assert all(Path(path).exists() for path in image["artifact"]["paths"])
    assert pipeline.machines() == []


def test_image_that_fails_its_checks_gets_no_name(
    pipeline: Pipeline, base: dict[str, Any], layer: dict[str, Any], tmp_path: Path
) -> None:
    up = make_image(pipeline, base, layer, tmp_path, expected="something else")
    assert up["checks"]["failed"] == 1
    assert "something else" in up["checks"]["failures"][0]["message"]
    assert "names" not in up
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "test_hello.py"]


def test_machine_is_reached_through_its_exec_words(pipeline: Pipeline, image: dict[str, Any]) -> None:
    machine_id = f"m{next(_numbers)}"
    up = pipeline.run(
        "shell.yml",
        bakery_machine_id=machine_id,
        bakery_artifact=image["artifact"],
        bakery_parents=[],
        bakery_kept="",
        bakery_epoch=0,
        bakery_apt_scope="",
    )
    try:
        words = [*up["machine"]["exec"], "sh", "-c", "cat ${BAKERY_MACHINE_ROOT:-}/srv/hello"]
        assert subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout == "hello\n"
    finally:
        pipeline.run("discard.yml", bakery_machine_id=machine_id)
    assert pipeline.machines() == []


def test_failed_machine_can_be_kept_and_looked_into(
    pipeline: Pipeline, base: dict[str, Any], tmp_path: Path
) -> None:
    machine_id = f"m{next(_numbers)}"
    parents = [layer["id"] for layer in base["layers"]]
    launch = {"bakery_parents": parents, "bakery_epoch": base["epoch"]}
    with pytest.raises(PlaybookFailed):
        pipeline.run(
            "layer.yml",
            bakery_machine_id=machine_id,
            bakery_provision=provision(tmp_path, "mkdir -p srv; echo half > srv/done; exit 3"),
            **launch,
        )
    assert pipeline.machines() == [machine_id]
    pipeline.run("discard.yml", bakery_machine_id=machine_id, bakery_keep_as="hello-kept")
    up = pipeline.run(
        "shell.yml",
        bakery_machine_id=machine_id,
        bakery_artifact={},
        bakery_kept="hello-kept",
        bakery_apt_scope="",
        **launch,
    )
    words = [*up["machine"]["exec"], "sh", "-c", "cat ${BAKERY_MACHINE_ROOT:-}/srv/done"]
    found = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    pipeline.run("discard.yml", bakery_machine_id=machine_id)
    assert found == "half\n"


def test_discarding_nothing_is_fine(pipeline: Pipeline) -> None:
    pipeline.run("discard.yml", bakery_machine_id="never-was")


def test_sweep_removes_what_a_dead_owner_left_and_nothing_else(
    pipeline: Pipeline, base: dict[str, Any]
) -> None:
    live = asdict(this_owner("l"))
    owners = {"dead": {**live, "bake": "d", "pid": 2**22 + 1, "start": 1}, "live": live}
    parents = [layer["id"] for layer in base["layers"]]
    for name, owner in owners.items():
        pipeline.run(
            "shell.yml",
            bakery_machine_id=name,
            bakery_owner=owner,
            bakery_artifact={},
            bakery_parents=parents,
            bakery_epoch=base["epoch"],
        )
    predicted = pipeline.run("sweep.yml", bakery_dry_run=True)["swept"]
    assert pipeline.machines() == ["dead", "live"]
    assert pipeline.run("sweep.yml", bakery_dry_run=False)["swept"] == predicted
    assert predicted["machines"] == ["dead"]
    assert pipeline.machines() == ["live"]
    pipeline.run("discard.yml", bakery_machine_id="live")


def test_layers_can_be_told_apart(
    pipeline: Pipeline, base: dict[str, Any], layer: dict[str, Any], tmp_path: Path
) -> None:
    other = bake_layer(pipeline, base, tmp_path, "mkdir -p srv; echo goodbye > srv/hello")
    report = pipeline.run("inspect.yml", bakery_layers=[layer["id"]], bakery_other_layers=[other["id"]])[
        "report"
    ]
    assert [file["path"] for file in report["files"]] == ["/srv/hello"]
    report = pipeline.run("inspect.yml", bakery_layers=[layer["id"]])["report"]
    assert [one["id"] for one in report["layers"]] == [layer["id"]]


def test_contents_of_layers_are_told_in_the_same_words(
    pipeline: Pipeline, base: dict[str, Any], layer: dict[str, Any]
) -> None:
    layers = [*(one["id"] for one in base["layers"]), layer["id"]]
    contents = pipeline.run("inspect.yml", bakery_layers=layers, bakery_contents=True)["report"]["contents"]
    assert contents["roles"]["/srv/hello"] == "r"
    told = contents["files"]["/srv/hello"]
    assert (told["kind"], told["size"], told["packaged"]) == ("file", 6, False)
    assert told["digest"] == f"sha256:{hashlib.sha256(b'hello' + bytes([10])).hexdigest()}"
    assert isinstance(contents["packages"], dict)


def test_image_can_be_exported(pipeline: Pipeline, image: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "hello.tar"
    up = pipeline.run(
        "export.yml",
        bakery_artifact_name=image["artifact"]["digest"],
        bakery_export={"path": str(file), "format": "oci-archive"},
    )
    assert up["exported"]["bytes"] == file.stat().st_size > 0


def test_prune_keeps_what_it_is_told_to(
    pipeline: Pipeline, base: dict[str, Any], layer: dict[str, Any], image: dict[str, Any]
) -> None:
    kept = [*(one["id"] for one in base["layers"]), layer["id"]]
    keep = {
        "bakery_keep_layers": kept,
        "bakery_keep_images": [image["artifact"]["digest"]],
        "bakery_keep_bases": [base["digest"]],
        "bakery_grace_s": 0,
    }
    predicted = pipeline.run("prune.yml", bakery_dry_run=True, **keep)["pruned"]
    pruned = pipeline.run("prune.yml", bakery_dry_run=False, **keep)["pruned"]
    assert sorted(pruned["layers"]) == sorted(predicted["layers"])
    assert not set(kept) & set(pruned["layers"])
    assert all(Path(path).exists() for path in image["artifact"]["paths"])


def test_the_null_target_launches_nothing_by_accident(
    new_pipeline: Callable[[str], Pipeline], tmp_path: Path
) -> None:
    """Its roles run on this host: one with absolute paths would change it."""
    pipeline = new_pipeline("null")
    base = pipeline.run("base.yml", bakery_base={"name": "b", "source": SOURCES["null"]})["base"]
    environment = {name: value for name, value in pipeline.environment.items() if "NULL" not in name}
    with pytest.raises(PlaybookFailed, match="BAKERY_NULL_TARGET=1"):
        bake_layer(replace(pipeline, environment=environment), base, tmp_path, f"touch {tmp_path}/harm")
    assert not (tmp_path / "harm").exists()
    assert pipeline.machines() == []
