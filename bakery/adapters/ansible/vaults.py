"""Whether the vaults of a bake can be opened, asked of Ansible before anything starts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakery.adapters.ansible.command import absolute_identity
from bakery.adapters.ansible.environment import client_environment
from bakery.adapters.ansible.places import Places, find_places
from bakery.adapters.ansible.private_dir import PrivateDir, private_dir
from bakery.adapters.ansible.processes import end_run
from bakery.errors import BakeryError, InputError, InputErrors, InterruptedBake, MachineError
from bakery.model.project import Project, VaultIdentity, VaultText
from bakery.ports import Cancel

_CHECK = Path(__file__).with_name("vault_check.py")
_POLL_S = 0.2

# What Ansible says about a password file or a client script (ansible.parsing.vault), and what we do.
_TROUBLES = (
    (re.compile(r"did not find a secret for vault-id=(\S+?):"), "knows no password for the vault id '{}'"),
    (re.compile(r"returned non-zero \((-?\d+)\)"), "failed with status {}"),
    (re.compile(r"Problem running vault password"), "cannot be run as a program"),
    (re.compile(r"Invalid vault password was provided"), "gives an empty password"),
    (re.compile(r"can not be a directory"), "is a directory"),
    (re.compile(r"Could not read"), "cannot be read"),
    (re.compile(r"Decryption failed|no vault secrets"), "is encrypted itself and cannot be opened"),
)


def require_open_vaults(
    project: Project, values: tuple[VaultText, ...], *, cancel: Cancel, places: Places | None = None
) -> None:
    """See that each of ``values`` can be opened with what the project says under ``vault``.

    Raises InputErrors with a sentence for each one that cannot; where a password file or a client script is
    the trouble, with a sentence about that one only. Where one of several works, Ansible does without the
    others, and so does this. Client scripts are run. No plaintext comes here.
    """
    identities = project.vault.identities
    if not identities:
        _refuse([_no_password(value, project) for value in values])
        return
    with private_dir() as private:
        private.write("ansible.cfg", "")
        answer = _ask(project, values, cancel=cancel, command=_Command(private, places or find_places()))
    closed = [pair for pair in zip(values, answer["values"], strict=True) if pair[1] != "open"]
    pairs = zip(identities, answer["identities"], strict=True)
    troubles = [_identity_trouble(identity, said, project) for identity, said in pairs if said]
    if troubles and (closed or len(troubles) == len(identities)):
        _refuse(troubles)
    _refuse([_value_trouble(value, state, identities) for value, state in closed])


class _Command:
    """vault_check.py in a private directory, with the environment of a run."""

    def __init__(self, private: PrivateDir, places: Places) -> None:
        self.run_id = private.run_id
        self._private = private
        self._environment = client_environment(private, places)

    def start(self, asked: Mapping[str, Any], directory: Path) -> subprocess.Popen[str]:
        request = self._private.write("vaults.json", json.dumps(asked))
        return subprocess.Popen(
            [sys.executable, "-P", str(_CHECK), str(request)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=directory,
            env=self._environment,
        )


def _ask(
    project: Project, values: tuple[VaultText, ...], *, cancel: Cancel, command: _Command
) -> Mapping[str, Any]:
    identities = [absolute_identity(one, project.root) for one in project.vault.identities]
    asked = {"identities": identities, "values": [value.ciphertext for value in values]}
    with command.start(asked, project.root) as process:
        try:
            output, errors = _await(process, cancel)
        except BaseException:
            end_run(command.run_id)
            raise
    if process.returncode != 0:
        last = (errors.strip().splitlines() or [f"status {process.returncode}"])[-1]
        raise MachineError(f"Ansible could not try to open the vaults: {last}")
    answer: Mapping[str, Any] = json.loads(output)
    return answer


def _await(process: subprocess.Popen[str], cancel: Cancel) -> tuple[str, str]:
    """What the process wrote to its end; a client script may wait for somebody, and for ever."""
    while True:
        if cancel.requested():
            raise InterruptedBake("interrupted")
        try:
            return process.communicate(timeout=_POLL_S)
        except subprocess.TimeoutExpired:
            continue


def _refuse(errors: list[BakeryError]) -> None:
    if errors:
        ordered = sorted(errors, key=lambda error: (str(error.where), str(error)))
        raise InputErrors(tuple(ordered))


def _no_password(value: VaultText, project: Project) -> BakeryError:
    return InputError(
        f"{_thing(value)} is encrypted, and {project.file.name} says nothing about a vault password",
        where=value.where,
        hint="write vault: {password_file: PATH} under defaults",
    )


def _identity_trouble(identity: VaultIdentity, said: str, project: Project) -> BakeryError:
    found = ((pattern.search(said), text) for pattern, text in _TROUBLES)
    trouble = next((text.format(*match.groups()) for match, text in found if match), f"is no use: {said}")
    path = identity.path.removeprefix(f"{project.root}/")
    runs = "failed" in trouble or "knows" in trouble
    return InputError(
        f"the vault {'client' if runs else 'password file'} '{path}' {trouble}",
        where=identity.where,
        hint="run it by hand to see why"
        if runs
        else "it must hold the password, or be a program that prints it",
    )


def _value_trouble(value: VaultText, state: str, identities: tuple[VaultIdentity, ...]) -> BakeryError:
    if state == "damaged":
        return InputError(
            f"the encrypted text of {_thing(value)} is damaged",
            where=value.where,
            hint="encrypt it again with ansible-vault",
        )
    label = value.ciphertext.partition("\n")[0].split(";")[3:]
    made_for = f", which was made for the vault id '{label[0].strip()}'" if label else ""
    tried = ", ".join(str(one.where) for one in identities)
    passwords = "the vault password of" if len(identities) == 1 else "any vault password of"
    return InputError(
        f"{_thing(value)} cannot be decrypted with {passwords} {tried}",
        where=value.where,
        hint=f"name the password of this vault{made_for}, or encrypt it again",
    )


def _thing(value: VaultText) -> str:
    return "this value" if value.where and value.where.line else "this file"
