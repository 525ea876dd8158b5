"""The container target's entry points for images, through Ansible."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
import yaml
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

COLLECTIONS = Path(__file__).parents[2] / "collections"


class Target:
    """Runs entry points on a home of its own and returns what each handed up."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store = LayerStore(str(home / "container"))
        self.store.ensure()

    def layer(self, role: str, **files: str) -> str:
        tree = Path(self.store.root, f"tree-{role}")
        tree.mkdir(mode=0o755)
        for name, content in files.items():
            (tree / name).write_text(content)
        return self.store.commit(str(tree), {"role": role, "created_by": f"role {role}"})

    def run(self, entry_point: str, *, check: bool = False, **variables: Any) -> dict[str, Any]:
        run = self.attempt(entry_point, check=check, **variables)
        assert run.status == "successful", [event["stdout"] for event in run.events]
        stats = [event for event in run.events if event["event"] == "playbook_on_stats"]
        handed: dict[str, Any] = stats[-1]["event_data"]["artifact_data"]["bakery"]
        return handed

    def attempt(self, entry_point: str, *, check: bool = False, **variables: Any) -> Any:
        role = {"name": "bakery.images.target_container", "tasks_from": entry_point}
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": [{"ansible.builtin.include_role": role}],
            "vars": {"ansible_python_interpreter": sys.executable},
        }
        playbook = self.home / "play.yml"
        playbook.write_text(yaml.safe_dump([play]))
        private = self.home / f"run-{self.store.new_id()}"
        private.mkdir()
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return ansible_runner.run(
            private_data_dir=str(private),
            playbook=str(playbook),
            quiet=True,
            cmdline="--check" if check else None,
            extravars={"bakery_home": str(self.home), **variables},
            envvars={"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "PATH": path},
            cancel_callback=lambda: False,
        )


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path)


def image(**fields: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "fingerprint": "abc123",
        "epoch": 1000,
        "config": {"cmd": ["sh"], "ports": [80], "env": {"A": "1"}},
        "base_config": {"Env": ["PATH=/bin"]},
        "base_name": "debian",
        "base_digest": "sha256:" + "0" * 64,
        "annotations": {"org.opencontainers.image.version": "1"},
        **fields,
    }


def test_an_image_goes_from_layers_to_an_archive(target: Target) -> None:
    low, high = target.layer("base", a="a"), target.layer("web", b="b")
    history = [{"layer": high, "created_by": "bakery: role web 1.0"}]
    wanted = {"bakery_layers": [low, high], "bakery_image": image(history=history)}
    artifact = target.run("capture", **wanted)["artifact"]
    assert artifact["location"] == f"oci:{target.home}/container/oci@{artifact['digest']}"
    assert all(Path(path).is_file() for path in artifact["paths"])
    assert target.run("capture", **wanted)["artifact"] == artifact

    names = ["web:latest", "web:abc123"]
    assert target.run("point", bakery_artifact=artifact, bakery_names=names)["names"] == names

    archive = target.home / "web.tar"
    export = {"path": str(archive), "format": "docker-archive"}
    exported = target.run("export", bakery_artifact_name="web", bakery_export=export)["exported"]
    assert (exported["bytes"], exported["names"]) == (archive.stat().st_size, ["web:latest"])

    manifest = json.loads(Path(artifact["paths"][0]).read_bytes())
    assert manifest["annotations"] == {
        "io.bakery.fingerprint": "abc123",
        "io.bakery.role-set": "web",
        "org.opencontainers.image.base.digest": "sha256:" + "0" * 64,
        "org.opencontainers.image.base.name": "debian",
        "org.opencontainers.image.created": "1970-01-01T00:16:40Z",
        "org.opencontainers.image.title": "web",
        "org.opencontainers.image.version": "1",
    }
    config = json.loads(Path(artifact["paths"][1]).read_bytes())
    assert config["config"] == {"Cmd": ["sh"], "Env": ["PATH=/bin", "A=1"], "ExposedPorts": {"80/tcp": {}}}
    assert [entry["created_by"] for entry in config["history"]] == ["role base", "bakery: role web 1.0"]


def test_layers_are_inspected_and_compared(target: Target) -> None:
    low, ours, theirs = (
        target.layer("base", a="a"),
        target.layer("ours", b="b"),
        target.layer("theirs", b="c"),
    )
    report = target.run("inspect", bakery_layers=[low, ours])["report"]
    assert [layer["role"] for layer in report["layers"]] == ["base", "ours"]
    both = {"bakery_layers": [low, ours], "bakery_other_layers": [low, theirs]}
    files = target.run("inspect", **both)["report"]["files"]
    assert [(row["path"], row["change"], row["role"]) for row in files] == [("/b", "changed", "theirs")]


def test_a_dry_prune_says_what_a_real_one_does(target: Target) -> None:
    kept, gone = target.layer("kept", a="a"), target.layer("gone", b="b")
    target.run("capture", bakery_layers=[gone], bakery_image=image())
    keep = {"bakery_keep_layers": [kept], "bakery_keep_images": [], "bakery_keep_bases": []}
    dry = target.run("prune", bakery_dry_run=True, **keep)["pruned"]
    assert target.store.ids() == sorted([kept, gone])
    assert target.run("prune", check=True, bakery_dry_run=False, **keep)["pruned"] == dry
    assert target.store.ids() == sorted([kept, gone])
    assert target.run("prune", bakery_dry_run=False, **keep)["pruned"] == dry
    assert target.store.ids() == [kept]
    assert (dry["layers"], len(dry["images"]), len(dry["blobs"])) == ([gone], 1, 3)


def test_check_mode_composes_nothing(target: Target) -> None:
    low = target.layer("base", a="a")
    assert target.run("capture", check=True, bakery_layers=[low], bakery_image=image())["artifact"] == {}
    assert not (target.home / "container" / "oci").exists()


def test_a_missing_layer_is_a_sentence(target: Target) -> None:
    run = target.attempt("capture", bakery_layers=["0123456789abcdef"], bakery_image=image())
    failed = [event for event in run.events if event["event"] == "runner_on_failed"]
    message = failed[0]["event_data"]["res"]["msg"]
    assert message.startswith("layer 0123456789abcdef is not in the store at")
