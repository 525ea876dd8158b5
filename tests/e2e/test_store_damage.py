"""Damage in the store is found by digest, told in a sentence, and mended by the next bake."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import NOTHING, Kitchen
from tests.e2e.small_project import clone_home, edit_check, write, write_project

pytestmark = pytest.mark.e2e

ROLES = {"dot": write("/srv/dot", "dot"), "dash": write("/srv/dash", "dash")}
SETS = {"line": "dot, dash"}


@dataclass(frozen=True)
class Baked:
    """A home with the image of ``line``; tests damage it and leave it mended."""

    kitchen: Kitchen
    digest: str

    @property
    def store(self) -> Path:
        return self.kitchen.home / "container"

    def layer(self, number: int) -> Path:
        """The directory of the newest role layer ``number``, 0 being the lowest."""
        keys = self.kitchen.query("select json_extract(record, '$.layers') from image order by number")
        ((name,),) = self.kitchen.query(
            f"select id from layer where key = '{json.loads(keys[-1][0])[number]}'"
        )
        return self.store / "layers" / str(name)

    def base_layer(self) -> Path:
        ((record,),) = self.kitchen.query("select record from base")
        return self.store / "layers" / json.loads(record)["layers"][0]["id"]

    def blob(self, layer: Path) -> Path:
        digest = json.loads((layer / "layer.json").read_text())["blobs"]["gzip"]["digest"]
        return self.store / "oci" / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def bake_again(self, *cached: bool) -> None:
        """Bake; so many layers were there, the others made again, and the image is what it was."""
        result = self.kitchen.bake("line").result
        assert result["status"] == "baked"
        assert [layer["cached"] for layer in result["layers"]] == list(cached)
        assert result["artifact"]["digest"] == self.digest
        assert self.kitchen.leftovers() == NOTHING


@pytest.fixture(scope="module")
def line(home: Path, bakery_command: Path, tmp_path_factory: pytest.TempPathFactory) -> Baked:
    project = write_project(tmp_path_factory.mktemp("line") / "line", ROLES, SETS)
    shared = Kitchen(command=bakery_command, home=home, project=project)
    kitchen = clone_home(shared, tmp_path_factory.mktemp("damaged-home"))
    return Baked(kitchen, kitchen.bake("line").result["artifact"]["digest"])


def test_a_removed_tree_is_baked_again(line: Baked) -> None:
    shutil.rmtree(line.layer(1) / "tree")
    edit_check(line.kitchen.project)
    line.bake_again(True, False)


def test_a_damaged_record_is_baked_again(line: Baked) -> None:
    (line.layer(1) / "layer.json").write_text("{")
    edit_check(line.kitchen.project)
    line.bake_again(True, False)


def test_a_changed_file_is_found_by_verify_and_baked_again(line: Baked) -> None:
    layer = line.layer(0)
    (layer / "tree" / "srv" / "dot").write_text("dit")
    outcome = line.kitchen.run("verify", "line", code=5)
    assert f"layer {layer.name} is corrupt: its tree has the digest" in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1
    assert line.kitchen.leftovers() == NOTHING
    line.bake_again(False, True)
    line.kitchen.run("verify", "line")


def test_a_changed_file_is_found_when_the_layer_is_packed_again(line: Baked) -> None:
    (line.layer(1) / "tree" / "srv" / "dash").write_text("hsad")
    line.blob(line.layer(1)).unlink()
    line.bake_again(True, False)


def test_a_truncated_blob_is_written_again(line: Baked) -> None:
    blob = line.blob(line.layer(1))
    with blob.open("r+b") as file:
        file.truncate(100)
    line.bake_again(True, True)


@pytest.mark.parametrize("form", ["oci", "docker"])
def test_a_changed_blob_is_found_by_export_and_written_again(line: Baked, tmp_path: Path, form: str) -> None:
    blob = line.blob(line.layer(0))
    content = bytearray(blob.read_bytes())
    content[20] ^= 1
    blob.write_bytes(content)
    archive = tmp_path / "line.tar"
    outcome = line.kitchen.run("export", "line", str(archive), "--format", form, code=5)
    assert "is gone or corrupt; bake it again" in outcome.stderr
    assert list(tmp_path.glob("line.tar*")) == []
    line.bake_again(True, True)
    line.kitchen.run("export", "line", str(archive), "--format", form)
    subprocess.run(
        ["skopeo", "inspect", "--raw", f"{form}-archive:{archive}"], check=True, stdout=subprocess.DEVNULL
    )


def test_a_damaged_index_is_restored_from_its_copy(line: Baked, tmp_path: Path) -> None:
    index = line.store / "oci" / "index.json"
    whole = index.read_text()
    index.write_text(whole[:50])
    line.kitchen.run("export", "line", str(tmp_path / "line.tar"))
    assert index.read_text() == whole


def test_a_lost_index_is_written_by_the_next_bake(line: Baked) -> None:
    (line.store / "oci" / "index.json").unlink()
    (line.store / "oci" / "index.json.copy").unlink()
    line.bake_again(True, True)
    names = json.loads((line.store / "oci" / "index.json").read_text())["manifests"]
    assert "line:latest" in str(names)


def test_a_base_that_changed_is_made_again(line: Baked) -> None:
    """The new base has the digest of the old one, so that nothing on it is baked again."""
    file = line.base_layer() / "tree" / "etc" / "debian_version"
    file.write_text("13\n")
    old = line.base_layer()
    outcome = line.kitchen.run("verify", "line", code=5)
    assert f"layer {old.name} is corrupt" in outcome.stderr
    line.bake_again(True, True)
    assert line.base_layer() != old
    assert (line.base_layer() / "tree" / "etc" / "debian_version").read_text() != "13\n"
    line.kitchen.run("verify", "line")


@pytest.mark.parametrize("content", [b"not a database, not at all" * 100, None], ids=["garbage", "truncated"])
def test_a_damaged_catalog_is_a_sentence_and_stays_as_it_is(line: Baked, content: bytes | None) -> None:
    """It holds which images were verified: nobody throws it away behind the user's back."""
    catalog = line.kitchen.home / "catalog.sqlite"
    whole = catalog.read_bytes()
    damaged = whole[: len(whole) // 2] if content is None else content
    catalog.write_bytes(damaged)
    outcome = line.kitchen.run("bake", "line", code=5)
    assert f"the catalog {catalog} is damaged" in outcome.stderr
    assert "move it away" in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1
    assert catalog.read_bytes() == damaged
    catalog.write_bytes(whole)
    assert line.kitchen.bake("line").result["status"] == "unchanged"


def test_what_was_damaged_is_pruned(line: Baked) -> None:
    line.kitchen.run("prune", "--json", "--keep-last", "1")
    left = {path.name for path in (line.store / "layers").iterdir()}
    assert left == {line.base_layer().name, line.layer(0).name, line.layer(1).name}
    assert line.kitchen.bake("line").result["status"] == "unchanged"
