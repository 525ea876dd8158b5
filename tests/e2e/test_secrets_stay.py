"""Secrets of a bake are where the role put them, and nowhere else on this host or in the image."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.e2e.conftest import NOTHING, Kitchen
from tests.e2e.small_project import clone_home, write, write_project

pytestmark = pytest.mark.e2e

PASSWORD = "open sesame"
SENTINELS = {"inline": "inLineS3ntinel", "filed": "vaultF1leS3ntinel", "hidden": "noL0gS3ntinel"}
WRITTEN = "/srv/deliberate"
TASKS = f"""\
---
- name: Write one on purpose
  ansible.builtin.copy:
    content: "{{{{ inline }}}} {{{{ filed }}}}"
    dest: {WRITTEN}
    mode: "0600"
- name: Use them without writing them
  ansible.builtin.command:
    argv: [/bin/sh, -c, 'test -n "$1" && logger "a line for the journal"', sh, "{{{{ inline }}}}"]
  changed_when: false
  failed_when: false
- name: Hide one
  ansible.builtin.command:
    argv: [/bin/echo, "{{{{ hidden_value }}}}"]
  vars:
    hidden_value: {SENTINELS["hidden"]}
  no_log: true
  changed_when: false
- name: Fail if told to
  ansible.builtin.fail:
    msg: "the secrets are {{{{ inline }}}} and {{{{ filed }}}}"
  when: spill | bool
"""


def encrypt(text: str) -> str:
    return VaultLib([("default", VaultSecret(PASSWORD.encode()))]).encrypt(text).decode()


@pytest.fixture
def kitchen(home: Path, bakery_command: Path, tmp_path: Path) -> Kitchen:
    roles = {"dot": write("/srv/dot", "dot"), "keeper": TASKS}
    project = write_project(tmp_path / "project", roles, {"dot": "dot"})
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    (project / "secrets.yml").write_text(encrypt(f"filed: {SENTINELS['filed']}\n"))
    inline = encrypt(SENTINELS["inline"]).replace("\n", "\n        ").rstrip()
    with (project / "bakery.yml").open("a") as file:
        file.write(
            "  keeper:\n"
            "    base: debian-12\n"
            "    roles: [keeper]\n"
            "    checks: [checks]\n"
            "    vars_files: [secrets.yml]\n"
            "    vars:\n"
            "      spill: false\n"
            f"      inline: !vault |\n        {inline}\n"
            f"defaults:\n  vault:\n    password_file: {password}\n"
        )
    return clone_home(Kitchen(command=bakery_command, home=home, project=project), tmp_path / "home")


def holders(*places: Path) -> set[str]:
    """The files below the places, on their file system, that hold a sentinel."""
    words = [word for sentinel in SENTINELS.values() for word in ("-e", sentinel)]
    options = ["--recursive", "--text", "--files-with-matches", "--fixed-strings", "--devices=skip"]
    done = subprocess.run(
        ["grep", "--no-messages", *options, *words, "--", *(place for place in places if place.exists())],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return set(done.stdout.splitlines())


def members_with_secrets(home: Path) -> Iterator[str]:
    """The files in the layers of the home's images that hold a sentinel."""
    for blob in (home / "container" / "oci" / "blobs" / "sha256").iterdir():
        content = blob.read_bytes()
        if not content.startswith(b"\x1f\x8b"):
            assert not any(sentinel.encode() in content for sentinel in SENTINELS.values())
            continue
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as layer:
            for member in layer:
                file = layer.extractfile(member) if member.isreg() else None
                text = (file.read() if file else b"") + member.name.encode() + member.linkname.encode()
                if any(sentinel.encode() in text for sentinel in SENTINELS.values()):
                    yield member.name


def tell_no_secret(*texts: str) -> None:
    for text in texts:
        assert [sentinel for sentinel in SENTINELS.values() if sentinel in text] == []


def test_secrets_are_only_where_the_role_wrote_them(kitchen: Kitchen) -> None:
    plan = kitchen.run("plan", "--json", "--why", "keeper")
    baked = kitchen.run("bake", "--json", "-vv", "keeper")
    assert baked.result["status"] == "baked"
    nothing_is_told_by_checks_on_what_is_cached(kitchen)
    shown = [
        kitchen.run(*words)
        for words in (("show", "--json", "keeper"), ("plan", "keeper"), ("images", "--json"))
    ]
    assert kitchen.run("shell", "keeper", "--", "cat", WRITTEN).stdout == (
        f"{SENTINELS['inline']} {SENTINELS['filed']}"
    )
    project_file = kitchen.project / "bakery.yml"
    project_file.write_text(project_file.read_text().replace("spill: false", "spill: true"))
    failed = kitchen.run("bake", "-vv", "keeper", code=3)
    failed_json = kitchen.run("bake", "--json", "-vv", "keeper", code=3)
    for outcome in (plan, baked, *shown, failed, failed_json):
        tell_no_secret(outcome.stdout, outcome.stderr)
    assert "the secrets are" in failed.stderr
    assert kitchen.leftovers() == NOTHING

    trees = [f"layers/{kitchen.query('select id from layer')[0][0]}", "failed/keeper-container"]
    written = {f"{kitchen.home}/container/{tree}/tree{WRITTEN}" for tree in trees}
    temporary = [path for path in Path("/tmp").iterdir() if path.name.startswith("bakery")]
    assert holders(kitchen.home, Path("/dev/shm"), *temporary) == written
    assert holders(*runtime_directories()) == set()
    assert set(members_with_secrets(kitchen.home)) == {WRITTEN.lstrip("/")}


# What a check says of an image, in pytest's words and in others.
SPILLING = f"""
import base64
import pytest

def test_content(host):
    assert host.file({WRITTEN!r}).content_string == ""

@pytest.mark.parametrize("encode", [repr, lambda text: base64.b64encode(text.encode()).decode()])
def test_forms(host, encode):
    pytest.fail(encode("x" + host.file({WRITTEN!r}).content_string))
"""


def nothing_is_told_by_checks_on_what_is_cached(kitchen: Kitchen) -> None:
    """The layer is there, so no run decrypts anything for it."""
    spilling = kitchen.project / "checks" / "test_spill.py"
    spilling.write_text(SPILLING)
    failed = kitchen.run("bake", "--json", "-vv", "keeper", code=4)
    verified = kitchen.run("verify", "keeper", code=4)
    for outcome in (failed, verified):
        tell_no_secret(outcome.stdout, outcome.stderr)
    assert "test_content" in verified.stdout
    assert [layer["cached"] for layer in failed.result["layers"]] == [True]
    reports = kitchen.home / "reports"
    assert reports.stat().st_mode & 0o777 == 0o700
    for report in reports.iterdir():
        assert report.stat().st_mode & 0o777 == 0o600
        tell_no_secret(report.read_text())
    password = kitchen.project.parent / "password"
    password.write_text("a new one")
    blind = kitchen.run("verify", "keeper", code=4)
    tell_no_secret(blind.stdout, blind.stderr)
    assert "withheld: a vault of the project cannot be opened here" in blind.stdout
    password.write_text(PASSWORD)
    spilling.unlink()


def runtime_directories() -> list[Path]:
    """What is in /run, without the mounts of other people's containers."""
    return [
        path for path in Path("/run").iterdir() if not os.path.ismount(path) and path.name != "containers"
    ]
