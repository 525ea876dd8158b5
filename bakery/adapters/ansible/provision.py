"""The generated plays that apply one role each to the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakery.adapters.ansible.private_dir import PrivateDir
from bakery.adapters.ansible.yaml_text import templates_to_yaml
from bakery.model.project import RoleUse
from bakery.model.run import PROVISION_PLAY, Provision

_PLAY_FILE = "bakery_provision.yml"

# The keywords of an entry under ``roles:`` in ansible-core 2.17 to 2.22; any other key there is a parameter
# of the role.
ROLE_KEYWORDS = frozenset(
    {
        "any_errors_fatal", "become", "become_exe", "become_flags", "become_method", "become_user",
        "check_mode", "collections", "connection", "debugger", "delegate_facts", "delegate_to", "diff",
        "environment", "ignore_errors", "ignore_unreachable", "module_defaults", "name", "no_log", "port",
        "remote_user", "role", "run_once", "tags", "throttle", "timeout", "vars", "when",
    }
)  # fmt: skip

# Ansible picks these up from beside a playbook. Variables and plug-ins must not come in unseen: they are not
# in the key of a layer, unless the role names them as inputs. Roles and collections have search paths of
# their own.
_FOUND_BESIDE = frozenset(
    {
        "group_vars", "host_vars", "roles", "collections", "library", "module_utils", "action_plugins",
        "become_plugins", "cache_plugins", "callback_plugins", "cliconf_plugins", "connection_plugins",
        "doc_fragments", "filter_plugins", "httpapi_plugins", "inventory_plugins", "lookup_plugins",
        "netconf_plugins", "plugin_utils", "shell_plugins", "strategy_plugins", "terminal_plugins",
        "test_plugins", "vars_plugins",
    }
)  # fmt: skip
_NEVER_BESIDE = frozenset({"roles", "collections", _PLAY_FILE})


def write_provision(provision: Provision, private: PrivateDir, project_root: Path) -> Path:
    """Write the plays into ``private``, as if it stood in the root of the project; returns its path."""
    folder = private.folder("project")
    inputs = frozenset(path for use in provision.uses for path in use.inputs)
    for entry in sorted(project_root.iterdir()):
        if _belongs_beside(entry, inputs):
            (folder / entry.name).symlink_to(entry)
    return private.write(os.path.join(folder.name, _PLAY_FILE), play_text(provision))  # noqa: PTH118  # a name below it


def play_text(provision: Provision) -> str:
    """The plays as YAML: one role each, on the host ``machine``, with every variable where it has its rank.

    Ascending: role defaults, variables of the set (play), variables files (play), role vars, role parameters.
    A role variable that is named like a keyword (``port``) can be no parameter: it ranks above the set, below
    ``vars/main.yml``.
    """
    return templates_to_yaml([_play(use, provision.environment) for use in provision.uses])


def _play(use: RoleUse, environment: Mapping[str, str]) -> dict[str, Any]:
    parameters = {name: value for name, value in use.vars.items() if name not in ROLE_KEYWORDS}
    keywords = {name: value for name, value in use.vars.items() if name in ROLE_KEYWORDS}
    role: dict[str, Any] = {"role": use.name, **parameters}
    return {
        "name": f"{PROVISION_PLAY}{use.name}",
        "hosts": "machine",
        "gather_facts": True,
        **_unless_empty("vars_files", [str(path) for path in use.vars_files]),
        **_unless_empty("vars", use.set_vars),
        **_unless_empty("environment", environment),
        "roles": [{**role, **_unless_empty("vars", keywords)}],
    }


def _unless_empty(key: str, value: Mapping[str, Any] | list[str]) -> dict[str, Any]:
    return {key: value} if value else {}


def _belongs_beside(entry: Path, inputs: frozenset[Path]) -> bool:
    if entry.name.startswith(".") or entry.name in _NEVER_BESIDE:
        return False
    return entry.name not in _FOUND_BESIDE or entry in inputs
