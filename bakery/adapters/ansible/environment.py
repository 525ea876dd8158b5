"""The environment of a run, built from nothing: what is not named here does not reach Ansible."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from bakery.adapters.ansible.places import Places, collection_paths, permits
from bakery.adapters.ansible.private_dir import PrivateDir
from bakery.adapters.ansible.processes import OWNER_PID, RUN_MARKER
from bakery.adapters.ansible.targets import wanted_environment
from bakery.errors import MachineError
from bakery.model.run import Run

# What the tools that modules start need to know about the user and the network. What one kind of target
# needs, its credentials above all, that kind names itself. No SSH agent: no key of the user's is for a
# throwaway machine.
_PASSED = frozenset(
    {
        "PATH",
        "HOME",
        "TMPDIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "XDG_RUNTIME_DIR",
        "XDG_DATA_HOME",
        "XDG_CONFIG_HOME",
        "BAKERY_HOME",
        "BAKERY_EXECUTOR",
    }
)
_NOT_FOR_CLIENTS = ("ANSIBLE", "PYTHON", "LD_", "BAKERY")
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run_environment(run: Run, private: PrivateDir, places: Places) -> dict[str, str]:
    """Every variable of the ansible-playbook process of ``run``, except those that ansible-runner adds.

    ``private`` must hold ``ansible.cfg``: an empty one, so that neither the user's nor the project's settings
    make two bakes differ. Configuration that a role set needs belongs in ``bakery.yml``.
    """
    target = run.variables.get("bakery_target")
    wanted = wanted_environment(places, str(target) if target else None)
    environment = {**tool_environment(private, places, wanted=wanted), **_ansible_settings(run, places)}
    if "BAKERY_HOME" in environment:
        environment["BAKERY_HOME"] = str(told_home(private, Path(environment["BAKERY_HOME"])))
    for name, value in environment.items():
        _require_text(name, value)
    return environment


def told_home(private: PrivateDir, home: Path) -> Path:
    """The home as a run is told of it: itself, or a link to it if its path is not UTF-8, which neither
    ansible-runner nor Ansible can write down.
    """
    if is_text(str(home)):
        return home
    link = private.path / "home"
    if not link.is_symlink():
        link.symlink_to(home)
    return link


def _require_text(name: str, value: str) -> None:
    if not is_text(value):
        raise MachineError(
            f"the environment variable {name} is not UTF-8, which a run cannot be told of",
            hint="set it otherwise, or not at all",
        )


def is_text(value: str) -> bool:
    """Whether it has no bytes in it that are not UTF-8 (PEP 383)."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def tool_environment(private: PrivateDir, places: Places, *, wanted: tuple[str, ...] = ()) -> dict[str, str]:
    """The part that every program of Ansible's gets, whatever it does; ``private`` as for a run.

    ``wanted`` are names of more variables, or patterns of such.
    """
    return {
        **_passed(os.environ, permits(places), wanted),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        RUN_MARKER: private.run_id,
        OWNER_PID: str(os.getpid()),
        "ANSIBLE_CONFIG": str(private.path / "ansible.cfg"),
        "ANSIBLE_HOME": str(private.path / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(private.path / "tmp"),
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_FORCE_COLOR": "False",
    }


def client_environment(private: PrivateDir, places: Places) -> dict[str, str]:
    """For a program that starts the user's own vault clients: what the user would start them with, too."""
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_CLIENTS)}
    return {**theirs, **tool_environment(private, places)}


def _passed(environment: Mapping[str, str], more: frozenset[str], wanted: tuple[str, ...]) -> dict[str, str]:
    passed = {
        name: value
        for name, value in environment.items()
        if name in _PASSED | more or any(fnmatchcase(name, pattern) for pattern in wanted)
    }
    passed.setdefault("PATH", _DEFAULT_PATH)
    passed.setdefault("HOME", str(Path("~").expanduser()))
    return passed


def _ansible_settings(run: Run, places: Places) -> dict[str, str]:
    """The reference of each name is ansible-core's list of configuration settings."""
    roles = run.provision.roles_path if run.provision else ()
    return {
        "ANSIBLE_COLLECTIONS_PATH": _joined(collection_paths(run.project_root, places)),
        "ANSIBLE_ROLES_PATH": _joined(roles),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_NO_TARGET_SYSLOG": "True",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_LOCALHOST_WARNING": "False",
        # The inventory is a file of ours; the plug-ins for other kinds need not be loaded.
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "False",
        "ANSIBLE_NOCOWS": "True",
    }


def _joined(paths: tuple[Path, ...]) -> str:
    return os.pathsep.join(str(path) for path in paths)
