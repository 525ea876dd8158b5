"""No secret leaves a run."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from bakery.model.project import VaultText
from bakery.model.run import FailureKind
from tests.e2e.ansible_runs.workplace import (
    WITH_MACHINE,
    Kitchen,
    private_dirs_of,
)

pytestmark = pytest.mark.e2e


PASSWORD = "correct horse"
SENTINELS = {
    "inline": 'inLine "S3ntinel" \\ 01',
    "file": "vaultedFile-S3ntinel-02",
    "include": "includedFile-S3ntinel-03",
    "role": "roleVars-S3ntinel-04",
    "lines": "-----BEGIN KEY-----\nfirst-line-S3ntinel-05\nsecond-line-S3ntinel-06\n-----END KEY-----\n",
    "number": "9048207135",
    "no_log": "noLog-S3ntinel-07",
}


def encrypt(text: str) -> str:
    vault = VaultLib([("default", VaultSecret(PASSWORD.encode()))])
    return vault.encrypt(text).decode()


TELLING_TASKS = """
- ansible.builtin.debug: {msg: "{{ file }} {{ inline }} {{ role }} {{ lines }} {{ number }}"}
- ansible.builtin.set_stats: {data: {bakery: {checks: "{{ file }}"}}, per_host: false}
"""
# Ways in which a role's failing task says what it knows; each is the last task of the role.
LEAKS = {
    "message": """
        ansible.builtin.fail: {msg: "saw {{ inline }} {{ file }} {{ role }} {{ lines }} {{ number }}"}
    """,
    "debug": """
        ansible.builtin.debug: {var: lines}
        failed_when: true
    """,
    "nested": """
        ansible.builtin.debug: {msg: {a: ["{{ inline }}", "{{ number }}"]}}
        failed_when: true
    """,
    "streams": """
        ansible.builtin.command: "sh -c 'echo {{ file }} >&2; echo {{ role }} | base64; exit 1'"
    """,
    "lines": """
        ansible.builtin.command: {argv: [sh, -c, 'printf %s "$1" >&2; exit 1', x, "{{ lines }}"]}
    """,
    "assertion": """
        ansible.builtin.assert: {that: ["file == 'x'"], fail_msg: "{{ file }} {{ role }}"}
    """,
    "no_log": """
        ansible.builtin.command: "sh -c 'echo {{ no_log_value }} {{ file }}; exit 1'"
        no_log: true
    """,
    "loop": """
        ansible.builtin.command: sh -c 'exit {{ item | length }}'
        loop: ["{{ file }}", "{{ inline }}"]
    """,
    "undefined": """
        ansible.builtin.debug: {msg: "{{ no_such[file] }}"}
    """,
    "name and path": """
        name: Write {{ file }}
        ansible.builtin.copy: {dest: "/nowhere/{{ file }}/{{ inline }}", content: "{{ lines }}"}
    """,
    "included": """
        vars: {content: "{{ lookup('file', included) }}"}
        ansible.builtin.fail: {msg: "saw {{ content }}"}
    """,
}


@pytest.mark.parametrize("leak", LEAKS)
def test_no_secret_leaves_a_run(
    kitchen: Kitchen, leak: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n", encoding="utf-8")
    vaulted = kitchen.write("vaulted.yml", "")
    vaulted.write_text(
        encrypt(f"file: {SENTINELS['file']}\nnumber: {SENTINELS['number']}\n"), encoding="utf-8"
    )
    included = kitchen.write("included.yml", "")
    included.write_text(encrypt(f"include: {SENTINELS['include']}\n"), encoding="utf-8")
    role_vars = kitchen.write("roles/web/vars/main.yml", "")
    role_vars.write_text(encrypt(f"role: {SENTINELS['role']}\n"), encoding="utf-8")
    last = textwrap.indent(textwrap.dedent(LEAKS[leak]).strip(), "  ")
    tasks = kitchen.write("roles/web/tasks/main.yml", "")
    tasks.write_text(f"{TELLING_TASKS}-\n{last}\n", encoding="utf-8")
    provision = kitchen.provision(
        "web",
        vault=(str(password),),
        vars={"inline": VaultText(encrypt(SENTINELS["inline"])), "included": str(included)},
        set_vars={"lines": VaultText(encrypt(SENTINELS["lines"])), "no_log_value": SENTINELS["no_log"]},
        vars_files=(vaulted,),
    )
    result = kitchen.run(WITH_MACHINE, provision=provision)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.TASK, result.failure
    assert result.up == {"checks": "********"}
    said = repr((result, kitchen.events))
    assert "S3ntinel" not in said
    assert SENTINELS["number"] not in said
    assert private_dirs_of(os.getpid()) == []
    assert files_that_hold("S3ntinel", tmp_path) == []


def files_that_hold(word: str, root: Path) -> list[Path]:
    places = (root, Path("/var/log"))
    done = subprocess.run(
        ["grep", "-rlIs", word, *map(str, places)], capture_output=True, text=True, check=False
    )
    allowed = root / "project" / "roles" / "web" / "tasks"
    return [path for path in map(Path, done.stdout.splitlines()) if allowed not in path.parents]
