"""The command line of a run. It holds paths only: arguments are visible to every user of the system."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakery.adapters.ansible.environment import is_text, told_home
from bakery.adapters.ansible.places import Places
from bakery.adapters.ansible.private_dir import PrivateDir
from bakery.adapters.ansible.provision import write_provision
from bakery.adapters.ansible.yaml_text import data_to_yaml
from bakery.errors import MachineError
from bakery.model.project import VaultIdentity
from bakery.model.run import Run

# Beside the run's ansible.cfg, which the environment names.
SEALED_FILE = "sealed.json"
_CHILD = Path(__file__).with_name("child.py")
# No host but the implicit localhost, which has a local connection and this very Python. Machines join through
# add_host.
_INVENTORY = "all: {}\n"


def playbook_command(run: Run, private: PrivateDir, places: Places) -> list[str]:
    """Write the files of the run into ``private`` and name them in the arguments of child.py."""
    private.write("ansible.cfg", "")
    inventory = private.write("inventory.yml", _INVENTORY)
    variables = dict(run.variables)
    if "bakery_home" in variables:
        variables["bakery_home"] = str(told_home(private, Path(variables["bakery_home"])))
    _require_text(variables)
    if run.provision is not None:
        play = write_provision(run.provision, private, run.project_root)
        variables["bakery_provision"] = str(play)
    extra = private.write("extra_vars.yml", data_to_yaml(variables))
    # -P: the folder of child.py does not become a place to import from.
    command = [sys.executable, "-P", str(_CHILD), "-i", str(inventory), "-e", f"@{extra}"]
    for identity in run.provision.vault.identities if run.provision else ():
        command += ["--vault-id", absolute_identity(identity, run.project_root)]
    _write_sealed(run, private)
    return [*command, str(places.playbooks / run.playbook)]


def _write_sealed(run: Run, private: PrivateDir) -> None:
    """What child.py opens to know what it must hide; it removes the file."""
    secrets = run.secrets
    clients = secrets.vault.identities or (run.provision and run.provision.vault.identities)
    sealed = {
        "identities": [absolute_identity(one, run.project_root) for one in secrets.vault.identities],
        "needed": [one.ciphertext for one in secrets.needed],
        "others": [one.ciphertext for one in secrets.others],
        # A client script of the user's is run as the user would, with what it needs to log in somewhere.
        "environment": dict(os.environ) if clients else {},
    }
    private.write(SEALED_FILE, json.dumps(sealed))


def _require_text(value: Any) -> None:
    """MachineError for a name of a file that is not UTF-8, wherever in the variables of a run it is."""
    if isinstance(value, str) and not is_text(value):
        raise MachineError(
            f"{value.encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace')} is not UTF-8, "
            "which a run cannot be told of",
            hint="use another name",
        )
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        for one in value:
            _require_text(one)


def absolute_identity(identity: VaultIdentity, project_root: Path) -> str:
    """``id@path`` with the path made absolute. Ansible too has the id end at the first ``@``."""
    return f"{identity.label}@{project_root / Path(identity.path).expanduser()}"
