"""Opens what a run must hide, once, in its own process. Loaded by child.py by its path: see there.

Whether a step has to do with vaults or not, its machine may say what an earlier one put there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

# Where the run's files are: the environment names one of them, command.py writes the other.
_BESIDE = "ANSIBLE_CONFIG"
_SEALED_FILE = "sealed.json"
# What Ansible and Python would act on is not the caller's to say.
_NOT_PASSED = ("ANSIBLE", "PYTHON", "LD_", "BAKERY")


class Censor(Protocol):
    """What child.py does with what is opened here."""

    def close(self) -> None:
        """Something stays unknown that a machine may say: nothing of it may be shown."""

    def early(self) -> AbstractContextManager[None]:
        """Around what is opened here: nobody asked for it."""

    def opened(self, vaulttext: str | bytes, plaintext: bytes) -> None:
        """This is known from now on."""


class Sealed:
    """What the package wrote down of the secrets of a run."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.identities: list[str] = told.get("identities", [])
        self.needed: list[str] = told.get("needed", [])
        self.others: list[str] = told.get("others", [])
        self._environment: dict[str, str] = told.get("environment", {})

    @contextmanager
    def of_the_caller(self) -> Iterator[None]:
        """The caller's environment while programs of the caller's are run; no task and no module sees it."""
        before = dict(os.environ)
        passed = {
            name: value for name, value in self._environment.items() if not name.startswith(_NOT_PASSED)
        }
        try:
            os.environ.update({**passed, **{name: before[name] for name in before}})
            yield
        finally:
            for name in set(os.environ) - set(before):
                del os.environ[name]


def take_sealed() -> Sealed:
    """Read the file and remove it: it holds the environment of the caller."""
    path = Path(os.environ[_BESIDE]).with_name(_SEALED_FILE)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:  # run by hand
        return Sealed({})
    path.unlink()
    return Sealed(json.loads(text))


def open_early(sealed: Sealed, censor: Censor) -> None:
    """Have everything opened as soon as Ansible has its passwords, before any task runs."""
    cli: Any = import_module("ansible.cli").CLI
    setup = cli.setup_vault_secrets

    def noting(loader: Any, vault_ids: Any, *args: Any, **kwargs: Any) -> Any:
        with sealed.of_the_caller():
            secrets = setup(loader, vault_ids, *args, **kwargs)
            if sealed.needed or sealed.others:
                with censor.early():
                    whole = _open(sealed, list(secrets) or _passwords(sealed.identities), censor)
                if not whole:
                    censor.close()
        return secrets

    cli.setup_vault_secrets = staticmethod(noting)


def _open(sealed: Sealed, secrets: list[Any], censor: Censor) -> bool:
    """Whether all is known that roles of the project can have read."""
    vault: Any = import_module("ansible.parsing.vault")
    error: Any = import_module("ansible.errors").AnsibleError
    opener = vault.VaultLib(secrets)
    # What every password of the project is tried on in vain, no role of it ever opened. A project without
    # passwords opens nothing.
    every_password = len(secrets) >= len(sealed.identities)
    whole = True
    for texts, may_be_foreign in ((sealed.needed, False), (sealed.others, every_password)):
        for text in texts:
            try:
                censor.opened(text, bytes(opener.decrypt(text)))
            except (error, ValueError):
                whole = whole and may_be_foreign
    return whole


def _passwords(identities: list[str]) -> list[Any]:
    """The passwords that can be had; a run that decrypts nothing itself does without the others."""
    vault: Any = import_module("ansible.parsing.vault")
    error: Any = import_module("ansible.errors").AnsibleError
    loader = import_module("ansible.parsing.dataloader").DataLoader()
    secrets: list[Any] = []
    for identity in identities:
        label, _, path = identity.partition("@")
        try:
            secret = vault.get_file_vault_secret(filename=path, vault_id=label, loader=loader)
            secret.load()
        except (error, OSError):
            continue
        secrets.append((label, secret))
        loader.set_vault_secrets(secrets)
    return secrets
