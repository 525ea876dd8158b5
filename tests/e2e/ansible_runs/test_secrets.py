"""No secret leaves a run."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from bakery.adapters.ansible.masking import MASK, WITHHELD
from bakery.model.project import Secrets, VaultIdentity, VaultSpec, VaultText
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


# A step that has nothing to do with vaults: what it says comes from a machine that knows the secret.
STEP = """
    - hosts: localhost
      gather_facts: false
      tasks:
        - name: Hand up what checks said
          ansible.builtin.set_stats:
            data:
              bakery:
                checks:
                  passed: 1
                  failed: 1
                  failures: [{check: "test_key[{{ said }}]", message: "assert '{{ said }}' == ''"}]
                report: {files: [{path: "/srv/{{ said }}", layer: "0123abcd"}]}
            per_host: false
        - name: Fail
          ansible.builtin.fail: {msg: "the machine said {{ said }} %s"}
          vars: {ansible_connection: local}
"""


def secrets_of(kitchen: Kitchen, *, password: str | None, others: tuple[str, ...] = ()) -> Secrets:
    file = kitchen.project.parent / "password"
    if password is not None:
        file.write_text(f"{password}\n")
    return Secrets(
        (VaultText(encrypt(SENTINELS["file"])),),
        tuple(map(VaultText, others)),
        VaultSpec((VaultIdentity(str(file)),)),
    )


def test_a_step_that_decrypts_nothing_hides_what_its_role_set_knows(kitchen: Kitchen) -> None:
    foreign = VaultLib([("default", VaultSecret(b"of somebody else"))]).encrypt("whatever").decode()
    secrets = secrets_of(kitchen, password=PASSWORD, others=(foreign, encrypt("another-S3cond-secret")))
    said = {"said": SENTINELS["file"]}
    result = kitchen.run(STEP % "another-S3cond-secret", variables=said, secrets=secrets)
    assert result.failure is not None
    assert result.failure.message == f"the machine said {MASK} {MASK}"
    assert result.up == {
        "checks": {
            "passed": 1,
            "failed": 1,
            "failures": [{"check": f"test_key[{MASK}]", "message": f"assert '{MASK}' == ''"}],
        },
        "report": {"files": [{"path": f"/srv/{MASK}", "layer": "0123abcd"}]},
    }
    assert "S3ntinel" not in repr((result, kitchen.events))


@pytest.mark.parametrize("password", [None, "not this one"])
def test_where_a_secret_cannot_be_known_no_text_is_shown(kitchen: Kitchen, password: str | None) -> None:
    secrets = secrets_of(kitchen, password=password)
    result = kitchen.run(STEP % "", variables={"said": "whatever"}, secrets=secrets)
    assert result.failure is not None
    assert (result.failure.task, result.failure.message) == ("Fail", WITHHELD)
    assert result.up["checks"] == {
        "passed": 1,
        "failed": 1,
        "failures": [{"check": "test_key", "message": WITHHELD}],
    }


def test_a_vault_that_a_role_found_by_itself_is_noted_with_its_layer(kitchen: Kitchen) -> None:
    text = encrypt(f"found: {SENTINELS['include']}\n")
    found = kitchen.project / "found.yml"
    found.write_text(text)
    kitchen.write("roles/web/tasks/main.yml", TELL_LAYER)
    secrets = secrets_of(kitchen, password=PASSWORD)
    provision = kitchen.provision("web", vault=(str(kitchen.project.parent / "password"),))
    result = kitchen.run(WITH_MACHINE, provision=provision, variables={"file": str(found)}, secrets=secrets)
    assert result.failure is None
    # What the run opened only to know what to hide is none of it.
    assert result.up["layer"]["vaults"] == [text.strip()]


TELL_LAYER = """
- ansible.builtin.include_vars: "{{ file }}"
- ansible.builtin.set_stats: {data: {bakery: {layer: {id: "01"}}}, per_host: false}
"""
CLIENT = """#!/bin/sh
test "$MY_TOKEN" = s3same && test "$AWS_SECRET_ACCESS_KEY" = k3y && echo 'correct horse'
"""


def test_only_the_users_own_client_sees_the_users_environment(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3same")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "k3y")
    client = kitchen.write("client", CLIENT)
    client.chmod(0o700)
    kitchen.write("roles/web/lookup_plugins/dumpable.py", DUMPABLE)
    kitchen.write("roles/web/tasks/main.yml", TELL_ENVIRONMENT)
    provision = kitchen.provision("web", vault=(str(client),), vars={"it": VaultText(encrypt("known"))})
    secrets = Secrets((VaultText(encrypt("known")),), (), provision.vault)
    result = kitchen.run(
        WITH_MACHINE, provision=provision, secrets=secrets, variables={"bakery_target": "container"}
    )
    assert result.failure is None, result.failure
    assert result.up == {
        "seen": ["", ""],
        "dumpable": [0],
        "core": "Max core file size        0                    0                    bytes     ",
    }


TELL_ENVIRONMENT = """
- ansible.builtin.assert: {that: it == "known"}
- ansible.builtin.set_stats:
    data:
      bakery:
        seen: ["{{ lookup('env', 'MY_TOKEN') }}", "{{ lookup('env', 'AWS_SECRET_ACCESS_KEY') }}"]
        dumpable: ["{{ lookup('dumpable') }}"]
        core: "{{ lookup('file', '/proc/self/limits').splitlines() | select('match', 'Max core') | first }}"
    per_host: false
"""
# prctl(2), PR_GET_DUMPABLE, of the process that runs a lookup: a worker.
DUMPABLE = """
import ctypes
from ansible.plugins.lookup import LookupBase

class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        return [ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)]
"""
