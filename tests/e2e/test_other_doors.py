"""The two ways in beside the command line: a playbook with the collection alone, and Molecule."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import NOTHING, Kitchen

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PLAYBOOK = """
- name: Bake a note
  ansible.builtin.import_playbook: bakery.images.bake
  vars:
    bakery_name: note-of-a-playbook
    bakery_home: "{{ lookup('ansible.builtin.env', 'BAKERY_HOME') }}"
    bakery_base: {name: debian-12, source: {debian: {suite: bookworm, systemd: true}}}
    bakery_roles:
      - {role: paper}
      - {role: ink, vars: {ink_fails: "{{ spill | default(false) }}"}}
    bakery_checks: [roles/paper/checks, roles/ink/checks]
"""
NO_PACKAGE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == "bakery" or name.startswith("bakery."):
            raise ImportError(f"{name} is not for playbooks")

sys.meta_path.insert(0, Refuse())
"""


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory, repository: Path, bin_directory: Path) -> Path:
    """The collection as users get it: built to a tarball and installed from it."""
    folder = tmp_path_factory.mktemp("collections")
    galaxy = bin_directory / "ansible-galaxy"
    source = repository / "collections" / "ansible_collections" / "bakery" / "images"
    # Neither the checkout's ansible.cfg nor a user's own: what is built must stand alone.
    (folder / "ansible.cfg").touch()
    environment = os.environ | {"ANSIBLE_CONFIG": str(folder / "ansible.cfg")}
    words = ["build", source, "--output-path", folder]
    subprocess.run([galaxy, "collection", *words], check=True, cwd=folder, env=environment)
    (tarball,) = folder.glob("bakery-images-*.tar.gz")
    words = ["install", tarball, "--offline", "--collections-path", folder]
    subprocess.run([galaxy, "collection", *words], check=True, cwd=folder, env=environment)
    return folder


def play(
    kitchen: Kitchen, collections: Path, bin_directory: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    """Run the playbook in the project's directory, with no trace of the package ``bakery``."""
    (kitchen.project / "site.yml").write_text(PLAYBOOK)
    blocker = kitchen.project / "blocker"
    blocker.mkdir(exist_ok=True)
    (blocker / "sitecustomize.py").write_text(NO_PACKAGE)
    environment = kitchen.environment | {
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "PYTHONPATH": str(blocker),
        "ANSIBLE_NOCOLOR": "1",
    }
    return subprocess.run(
        [bin_directory / "ansible-playbook", "site.yml", *words],
        cwd=kitchen.project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_playbook_bakes_with_the_collection_alone(
    kitchen: Kitchen, collections: Path, bin_directory: Path
) -> None:
    done = play(kitchen, collections, bin_directory)
    assert done.returncode == 0, done.stdout + done.stderr
    inspected = subprocess.run(
        ["skopeo", "inspect", f"oci:{kitchen.home}/container/oci:note-of-a-playbook:latest"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(inspected.stdout)["Layers"]) == 3
    assert kitchen.leftovers() == NOTHING


def test_a_playbook_discards_the_throwaway_when_a_role_fails(
    kitchen: Kitchen, collections: Path, bin_directory: Path
) -> None:
    done = play(kitchen, collections, bin_directory, "--extra-vars", "spill=true")
    assert done.returncode != 0
    assert "the ink ran out" in done.stdout
    assert kitchen.leftovers() == NOTHING


@pytest.mark.parametrize("scenario", ["nginx", "app"])
def test_molecule_tests_a_role_on_a_throwaway(
    scenario: str, repository: Path, home: Path, bin_directory: Path, tmp_path: Path
) -> None:
    # Molecule and Ansible look their own commands up on PATH.
    environment = os.environ | {
        "PATH": f"{bin_directory}:{os.environ['PATH']}",
        "BAKERY_HOME": str(home),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "molecule"),
    }
    done = subprocess.run(
        [bin_directory / "molecule", "test", "--scenario-name", scenario],
        cwd=repository,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    assert Kitchen(Path("bakery"), home, repository).leftovers() == NOTHING
    shutil.rmtree(tmp_path / "molecule", ignore_errors=True)
