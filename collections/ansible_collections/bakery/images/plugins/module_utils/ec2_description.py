# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running machine of the target ec2 as it goes up the wire."""

from __future__ import annotations

import inspect
import os
import sys
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ssh_login
from ansible_collections.bakery.images.plugins.module_utils.ec2_readiness import Inside
from ansible_collections.bakery.images.plugins.module_utils.machine_reach import write_reach
from ansible_collections.bakery.images.plugins.module_utils.ssh_login import SshWay, entry_words

_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1"}


def describe(machine_id: str, way: SshWay, *, directory: str, inside: Inside) -> dict[str, Any]:
    """How to reach the machine: the keys that every target's machines have."""
    words = [sys.executable, "-I", "-S", os.path.join(directory, "enter.py"), *entry_words(way, _ENVIRONMENT)]
    return {
        "id": machine_id,
        "kind": "ec2",
        "hostvars": _hostvars(machine_id, way, directory=directory, inside=inside),
        "exec": [*words, "--"],
        "shell": [*words, "--terminal", "--", inside.shell],
        "root": None,
        "address": way.host,
        "failed_units": list(inside.failed_units),
    }


def write_programs(machine: dict[str, Any], directory: str) -> None:
    """Put into a machine's directory what its words start, and what tells of them."""
    source = inspect.getsource(ssh_login)
    server = os.path.join(directory, "serve.py")
    for path in (os.path.join(directory, "enter.py"), server):
        with open(path, "w", encoding="utf-8") as out:
            out.write(source)
    write_reach(directory, machine["exec"], server)


def _hostvars(machine_id: str, way: SshWay, *, directory: str, inside: Inside) -> dict[str, Any]:
    hostvars: dict[str, Any] = {
        "ansible_connection": "bakery.images.machine",
        "ansible_ssh_bakery_machine": machine_id,
        "ansible_ssh_bakery_entry": "ssh",
        "ansible_ssh_bakery_address": way.host,
        "ansible_ssh_bakery_port": way.port,
        "ansible_ssh_bakery_user": way.user,
        "ansible_ssh_bakery_private_key_file": way.key,
        "ansible_ssh_bakery_known_hosts": way.known_hosts,
        "ansible_ssh_bakery_directory": directory,
        "ansible_ssh_bakery_environment": _ENVIRONMENT,
        "ansible_python_interpreter": inside.python,
        # In memory, so that nothing of them gets into an image.
        "ansible_remote_tmp": "/run/bakery-ansible",
        "ansible_async_dir": "/run/bakery-async",
        "ansible_system_tmpdirs": ["/tmp"],  # noqa: S108  # the machine's own
    }
    if way.proxy_command:
        hostvars["ansible_ssh_bakery_proxy_command"] = way.proxy_command
    if way.user != "root":
        hostvars["ansible_become"] = True
        hostvars["ansible_remote_tmp"] = f"/tmp/bakery-ansible-{way.user}"  # noqa: S108
        hostvars["ansible_async_dir"] = f"/tmp/bakery-async-{way.user}"  # noqa: S108
    elif not inside.sudo:
        hostvars["ansible_become_method"] = "ansible.builtin.su"
        hostvars["ansible_su_flags"] = "-s /bin/sh"
    return hostvars
