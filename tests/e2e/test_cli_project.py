"""The installed command, from an empty directory to a plan; nothing is baked."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

pytestmark = pytest.mark.e2e


@pytest.fixture
def bakery(bin_directory: Path, tmp_path: Path):
    """Runs the command with a home of its own."""

    def run(*words: str, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(bin_directory / "bakery"), *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            env={**os.environ, "BAKERY_HOME": str(tmp_path / "home"), **environment},
        )

    return run


@pytest.fixture
def project(bakery, tmp_path: Path) -> Path:
    """What ``bakery init`` writes."""
    done = bakery("init", "shop", "--name", "web")
    assert done.returncode == 0, done.stderr
    return tmp_path / "shop"


def test_a_new_project_can_be_planned_at_once(bakery, project: Path) -> None:
    done = bakery("plan", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    (web,) = json.loads(done.stdout)["sets"]
    assert (web["role_set"], web["status"]) == ("web", "bake")
    assert [role["role"] for role in web["roles"]] == ["motd"]
    assert web["base"]["state"] == "make"


def test_the_project_is_found_from_a_directory_inside(bakery, project: Path) -> None:
    assert bakery("plan", cwd=project / "roles" / "motd").returncode == 0


def test_plan_changes_nothing_in_the_project(bakery, project: Path) -> None:
    before = sorted(project.rglob("*"))
    bakery("plan", "--why", cwd=project)
    assert sorted(project.rglob("*")) == before


def test_what_schema_prints_is_what_editors_read(bakery, project: Path) -> None:
    schema = json.loads(bakery("schema").stdout)
    Draft202012Validator.check_schema(schema)
    assert schema == json.loads((project / ".bakery" / "schema.json").read_text())


def test_every_mistake_is_told_with_its_line(bakery, project: Path) -> None:
    file = project / "bakery.yml"
    file.write_text(file.read_text().replace("- motd", "- mtod").replace("suite:", "sutie:"))
    done = bakery("plan", cwd=project)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("bakery.yml:") for line in lines), done.stderr
    assert "did you mean 'motd'" in done.stderr
    document = json.loads(bakery("plan", "--json", cwd=project).stdout)
    assert len(document["error"]["errors"]) == len(lines)


def test_a_vault_that_cannot_be_opened_is_told_before_anything_starts(bakery, project: Path) -> None:
    file = project / "bakery.yml"
    vaulted = "motd_contact: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        6162\n"
    text = file.read_text().replace("motd_contact: you@example.org", vaulted)
    file.write_text(text + "defaults:\n  vault: {client: client}\n")
    (project / "client").write_text("#!/bin/sh\nexit 3\n")
    (project / "client").chmod(0o755)
    done = bakery("bake", "web", cwd=project)
    line = len(file.read_text().splitlines())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"bakery.yml:{line}: the vault client 'client' failed with status 3; run it by hand to see why\n"
    )
    file.write_text(text)
    done = bakery("bake", "--json", "web", cwd=project)
    assert done.returncode == 2
    (error,) = json.loads(done.stdout)["error"]["errors"]
    assert (error["where"], "vault" in error["hint"]) == ("bakery.yml:16", True)


def test_outside_of_a_project_the_next_step_is_told(bakery, tmp_path: Path) -> None:
    done = bakery("plan")
    assert done.returncode == 2
    assert "bakery init" in done.stderr


def test_names_are_suggested(bakery, project: Path) -> None:
    assert "did you mean 'web'?" in bakery("bake", "wbe", cwd=project).stderr
    assert "no image 'web'" in bakery("show", "web", cwd=project).stderr


@pytest.mark.parametrize("verb", ["images", "base list"])
def test_an_empty_home_has_nothing_to_list(verb: str, bakery, tmp_path: Path) -> None:
    done = bakery(*verb.split(), "--json")
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout).values()) == [[]]


def test_doctor_finds_this_host_fit(bakery) -> None:
    done = bakery("doctor", "--json")
    document = json.loads(done.stdout)
    troubles = [one for one in document["checks"] if one["status"] != "ok" and not one["optional"]]
    assert troubles == []
    assert (done.returncode, document["ok"]) == (0, True)


def test_doctor_says_what_is_missing_and_how_to_get_it(bakery, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("env", "sh"):
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    done = bakery("doctor", PATH=str(tmp_path / "bin"))
    assert done.returncode == 5
    assert "there is no command 'podman'" in done.stdout
    assert "podman" in done.stdout.partition("get")[2]
    assert "--fix" in done.stdout
    needs = {
        one["need"]: one
        for one in json.loads(bakery("doctor", "--json", PATH=str(tmp_path / "bin")).stdout)["checks"]
    }
    assert needs["network"]["trouble"] == "podman is not there, which would say which network it uses"
    assert needs["init program"]["packages"]["apt"] == ["catatonit"]


def test_an_ordinary_user_is_told_plainly(bin_directory: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", str(bin_directory / "bakery"), "doctor"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, "BAKERY_HOME": "/var/lib/bakery", "HOME": "/nonexistent"},
    )
    assert done.returncode == 5, done.stderr
    assert "bakery cannot make machines as an ordinary user" in done.stdout
    assert "sudo" in done.stdout


def test_a_project_that_is_wrong_keeps_nobody_from_sweeping(bakery, tmp_path: Path) -> None:
    (tmp_path / "bakery.yml").write_text("version: 1\nrole_set: {}\n")
    done = bakery("sweep")
    assert done.returncode == 0, done.stderr
    assert "sweeping as outside of any project: bakery.yml:2: the key 'role_set' is unknown" in done.stderr
