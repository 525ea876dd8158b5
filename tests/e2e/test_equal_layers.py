"""Two roles that do nothing make two layers with one digest: they work like any other layers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import NOTHING, Kitchen
from tests.e2e.small_project import write, write_project

pytestmark = pytest.mark.e2e

IDLE = "---\n- name: Do nothing\n  ansible.builtin.debug:\n    msg: nothing\n"
ROLES = {"idle": IDLE, "idler": IDLE, "dot": write("/srv/dot", "dot")}


def test_equal_layers_boot_open_and_leave(
    home: Path, bakery_command: Path, tmp_path: Path, podman: str
) -> None:
    project = write_project(tmp_path / "project", ROLES, {"idle": "idle, dot, idler"})
    kitchen = Kitchen(command=bakery_command, home=home, project=project)

    result = kitchen.bake("idle").result
    low, dot, high = (layer["digest"] for layer in result["layers"])
    assert low == high != dot
    assert kitchen.leftovers() == NOTHING

    assert kitchen.run("shell", "idle", "--", "cat", "/srv/dot").stdout == "dot"
    assert kitchen.leftovers() == NOTHING
    kitchen.run("verify", "idle")

    for form in ("oci", "docker"):
        archive = tmp_path / f"{form}.tar"
        kitchen.run("export", "idle", str(archive), "--format", form)
        found = subprocess.run(
            ["skopeo", "inspect", "--config", f"{form}-archive:{archive}"], check=True, stdout=subprocess.PIPE
        )
        assert json.loads(found.stdout)["rootfs"]["diff_ids"][1:] == [low, dot, high]
    name = f"localhost/equal-{tmp_path.name.replace('_', '-')}:latest"
    try:
        subprocess.run(
            [
                "skopeo",
                "copy",
                "--quiet",
                f"docker-archive:{tmp_path}/docker.tar",
                f"containers-storage:{name}",
            ],
            check=True,
        )
        mounted = subprocess.run(
            [podman, "image", "mount", name], check=True, stdout=subprocess.PIPE, text=True
        )
        assert Path(mounted.stdout.strip(), "srv", "dot").read_text() == "dot"
        subprocess.run([podman, "image", "umount", name], check=True, stdout=subprocess.DEVNULL)
    finally:
        subprocess.run([podman, "rmi", "--ignore", name], check=True, stdout=subprocess.DEVNULL)
