"""Tries Ansible's own way to open vaults. Executed by its path: see vaults.py.

Reads ``{"identities": [text], "values": [ciphertext]}`` from the file that is its only argument and prints
``{"identities": [trouble or null], "values": ["open" | "closed" | "damaged"]}``. No plaintext leaves it.
"""

from __future__ import annotations

import ctypes
import json
import re
import resource
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

_PR_SET_DUMPABLE = 4  # prctl(2)
_NO_VAULT = re.compile(r"not vault encrypted data|Cipher .* could not be found")


def main() -> None:
    # It holds passwords: nobody may trace it, and it leaves no core file.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    vault: Any = import_module("ansible.parsing.vault")
    errors: Any = import_module("ansible.errors")
    loader = import_module("ansible.parsing.dataloader").DataLoader()
    secrets: list[tuple[str, Any]] = []
    troubles: list[str | None] = []
    for identity in asked["identities"]:
        label, _, path = identity.partition("@")
        try:
            secret = vault.get_file_vault_secret(filename=path, vault_id=label, loader=loader)
            secret.load()
        except errors.AnsibleError as error:
            # The first line: below it Ansible may quote what a script printed, a password perhaps.
            troubles.append(str(error).splitlines()[0])
        else:
            secrets.append((label, secret))
            troubles.append(None)
            # As Ansible does: a password may itself be encrypted, with one of those before it.
            loader.set_vault_secrets(secrets)
    opener = vault.VaultLib(secrets)
    states = [_state(opener, value) for value in asked["values"]]
    json.dump({"identities": troubles, "values": states}, sys.stdout)


def _state(opener: Any, value: str) -> str:
    try:
        opener.decrypt(value)
    except import_module("ansible.parsing.vault").AnsibleVaultFormatError:
        return "damaged"
    except import_module("ansible.errors").AnsibleError as error:
        return "damaged" if _NO_VAULT.search(str(error)) else "closed"
    return "open"


if __name__ == "__main__":
    main()
