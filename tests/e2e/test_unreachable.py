"""Sources that cannot be reached, and a network that goes away: a sentence with the right exit code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from secrets import token_hex

import pytest

from tests.e2e.conftest import NOTHING, Kitchen
from tests.e2e.small_project import write, write_project
from tests.e2e.test_side_by_side import WAIT, Bake, let_go

pytestmark = pytest.mark.e2e

# Port 9 (discard) of this host: nobody listens.
NOWHERE = "127.0.0.1:9"
INSTALL = """\
- name: Install a package
  ansible.builtin.apt:
    name: cowsay
    update_cache: true
    update_cache_retries: 0
"""


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            f"debian: {{suite: bookworm, mirror: 'http://{NOWHERE}/debian'}}",
            f"mmdebstrap could not make 'bookworm': E: Failed to fetch http://{NOWHERE}/debian/dists/bookworm",
        ),
        (f"oci: {{reference: 'docker://{NOWHERE}/nothing:1'}}", NOWHERE),
        ("oci: {reference: 'oci-archive:FOLDER/missing.tar'}", "missing.tar"),
        ("oci: {reference: 'oci-archive:FOLDER/truncated.tar'}", "truncated.tar"),
        ("oci: {reference: 'docker-archive:FOLDER/truncated.tar'}", "truncated.tar"),
    ],
    ids=["mirror", "registry", "missing", "truncated", "truncated-docker"],
)
def test_a_base_that_cannot_be_had(bakery_command: Path, tmp_path: Path, source: str, words: str) -> None:
    (tmp_path / "truncated.tar").write_bytes(b"oci-layout".ljust(300, b"\0"))
    project = write_project(tmp_path / "project", {"dot": write("/srv/dot", "dot")}, {"dot": "dot"})
    text = (project / "bakery.yml").read_text()
    asked = source.replace("FOLDER", str(tmp_path))
    (project / "bakery.yml").write_text(text.replace("debian: {suite: bookworm, systemd: true}", asked))
    kitchen = Kitchen(command=bakery_command, home=tmp_path / "home", project=project)
    outcome = kitchen.run("bake", "dot", code=5)
    assert words in outcome.stderr
    assert kitchen.leftovers() == NOTHING
    assert list((kitchen.home / "container").glob("**/*.partial")) == []


def test_a_network_that_goes_away_under_apt(home: Path, bakery_command: Path, tmp_path: Path) -> None:
    roles = {"slow": WAIT.format(name=token_hex(4)) + INSTALL}
    project = write_project(tmp_path / "project", roles, {"slow": "slow"})
    kitchen = Kitchen(command=bakery_command, home=home, project=project)
    bake = Bake(kitchen.start("bake", "--json", "-vv", "--on-error", "discard", "slow"))
    bake.until("Be ready")
    (journal,) = (home / "container" / "machines").glob("*/machine.json")
    pid = json.loads(journal.read_text())["pid"]
    subprocess.run(["nsenter", f"--target={pid}", "--net", "ip", "link", "set", "eth0", "down"], check=True)
    let_go(kitchen)
    stdout, stderr = bake.process.communicate()
    assert bake.process.returncode == 3, stderr
    assert "role 'slow', task 'Install a package'" in json.loads(stdout)["results"][0]["error"]["message"]
    assert kitchen.leftovers() == NOTHING
