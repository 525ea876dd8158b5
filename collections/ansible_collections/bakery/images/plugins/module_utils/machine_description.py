# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running machine as it goes up the wire: how to reach it, and what its tasks see."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.base_environment import base_environment
from ansible_collections.bakery.images.plugins.module_utils.container_setup import INSIDE
from ansible_collections.bakery.images.plugins.module_utils.executor_client import Way
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Journal
from ansible_collections.bakery.images.plugins.module_utils.machine_tree import resolve

_SUDO = ("/usr/bin/sudo", "/usr/local/bin/sudo")
_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3", "/bin/python3")


def task_environment(journal: Journal) -> dict[str, str]:
    """What every command of a bake sees: the base's environment, as RUN in a Containerfile does, and ours
    (https://reproducible-builds.org/specs/source-date-epoch/).
    """
    environment = {**base_environment(journal.details.get("env") or ()), "PYTHONDONTWRITEBYTECODE": "1"}
    if journal.kind == "bake":
        environment |= {"SOURCE_DATE_EPOCH": str(journal.epoch), "PYTHONHASHSEED": "0"}
        if journal.details.get("apt"):
            environment["APT_CONFIG"] = f"{INSIDE}/apt.conf"
    return environment


def way_into(journal: Journal, directory: str) -> Way:
    """How commands get into the machine in ``directory``, with what every command of a bake sees."""
    return Way(directory, journal.details["engine"], journal.container or "", task_environment(journal))


def entry_program(directory: str) -> str:
    """The program in a machine's directory that runs one command in the machine."""
    return os.path.join(directory, "enter.py")


def server_program(directory: str) -> str:
    """The program in a machine's directory that runs many commands in the machine."""
    return os.path.join(directory, "serve.py")


def exec_words(journal: Journal, directory: str) -> list[str]:
    """Words that have the words after them run in the machine."""
    start = [sys.executable, "-I", "-S", entry_program(directory)]
    settings = sorted(task_environment(journal).items())
    environment = [word for name, value in settings for word in ("--env", f"{name}={value}")]
    way = way_into(journal, directory)
    return [*start, "--engine", way.engine, "--container", way.container, *environment, "--"]


def describe(
    journal: Journal, directory: str, *, address: str | None, failed: Sequence[str]
) -> dict[str, Any]:
    """The machine in ``directory``; ``failed`` are systemd units that failed while it booted."""
    tree = os.path.join(directory, "merged")
    shell = "/bin/bash" if resolve(tree, "/bin/bash") else "/bin/sh"
    environment = task_environment(journal)
    engine, container = journal.details["engine"], journal.container or ""
    return {
        "id": journal.id,
        "kind": "container",
        "hostvars": _hostvars(journal, directory, environment),
        "exec": exec_words(journal, directory),
        "shell": [engine, "exec", "--interactive", "--tty", "--user", "0", container, shell],
        "root": tree,
        "address": address,
        "failed_units": list(failed),
    }


def _hostvars(journal: Journal, directory: str, environment: dict[str, str]) -> dict[str, Any]:
    tree = os.path.join(directory, "merged")
    hostvars: dict[str, Any] = {
        "ansible_connection": "bakery.images.machine",
        "ansible_ssh_bakery_machine": journal.id,
        "ansible_ssh_bakery_container": journal.container,
        "ansible_ssh_bakery_engine": journal.details["engine"],
        "ansible_ssh_bakery_directory": directory,
        "ansible_ssh_bakery_environment": environment,
        "ansible_python_interpreter": find_python(tree, environment.get("PATH", "")) or _PYTHONS[0],
        "ansible_remote_tmp": "/run/bakery-ansible",
        "ansible_async_dir": "/run/bakery-async",
        "ansible_system_tmpdirs": ["/tmp"],  # noqa: S108  # the machine's own, a tmpfs
    }
    if not any(resolve(tree, path) for path in _SUDO):
        # Every Debian has su. It must not start the login shell: a service account has none.
        hostvars["ansible_become_method"] = "ansible.builtin.su"
        hostvars["ansible_su_flags"] = "-s /bin/sh"
    return hostvars


def find_python(tree: str, search_path: str) -> str | None:
    """The Python 3 of a machine's tree: the system's own, else the first on the base's PATH."""
    named = (f"{folder}/python3" for folder in search_path.split(":") if folder.startswith("/"))
    return next((path for path in (*_PYTHONS, *named) if resolve(tree, path)), None)
