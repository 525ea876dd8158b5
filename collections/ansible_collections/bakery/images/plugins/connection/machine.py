# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection to a machine that a target launched."""

from __future__ import annotations

DOCUMENTATION = r"""
name: machine
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Run tasks in a throwaway machine of bakery
description:
  - Reaches a machine that M(bakery.images.container_machine) launched on this host, or one elsewhere whose
    address, key and host key are known.
  - Tasks are requests to a program that the container engine started in the machine, which costs a few
    milliseconds a task. No process of this host enters the machine. Without that program it asks the engine
    for every command.
  - Over ssh it has one connection for all tasks. Nothing of the user's ssh configuration, agent or known
    hosts plays a part, and a host key that is not in O(known_hosts) is refused, whatever Ansible's settings.
  - Files are written and read by a process inside the machine, never through a mount of its file system,
    where a symbolic link would lead to a file of this host.
  - All options come from the C(hostvars) that the module returns; there is nothing to set by hand.
  - The names of these variables begin with C(ansible_ssh_), which Ansible takes out of what modules return as
    facts. Facts outrank an inventory, and a machine must not say how it is reached.
notes:
  - Commands run as root in the machine, or as O(remote_user) over ssh; become works for every other user.
  - A process in the machine that belongs to a task ends with the task's worker on the controller.
  - Resetting the connection (M(ansible.builtin.meta), C(reset_connection)) over ssh ends the
    connection and the executor, with all that is in the machine because of it; do so before the machine is
    captured.
options:
  remote_addr:
    description: The name of the machine; used in messages only.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
      - name: ansible_ssh_bakery_machine
  remote_user:
    description:
      - The user that tasks start as.
      - Only over ssh it may be another one than V(root). Then tasks of root take the ordinary path.
    type: str
    default: root
    vars:
      - name: ansible_ssh_bakery_user
  container:
    description: Name or id of the machine's container.
    type: str
    vars:
      - name: ansible_ssh_bakery_container
  engine:
    description: Path of the container engine.
    type: str
    default: podman
    vars:
      - name: ansible_ssh_bakery_engine
  entry:
    description:
      - How commands get into the machine.
      - V(auto) has the executor in the machine run them, and the engine where there is none.
      - V(engine) uses C(podman exec) for each.
      - V(ssh) logs in to O(address) with O(private_key_file), and needs O(known_hosts) and
        O(machine_directory).
    type: str
    default: auto
    choices: [auto, engine, ssh]
    vars:
      - name: ansible_ssh_bakery_entry
  address:
    description: Name or address of the machine for ssh.
    type: str
    vars:
      - name: ansible_ssh_bakery_address
  port:
    description: Port of the machine's sshd.
    type: int
    default: 22
    vars:
      - name: ansible_ssh_bakery_port
  private_key_file:
    description: File with the private key, without a passphrase.
    type: path
    vars:
      - name: ansible_ssh_bakery_private_key_file
  known_hosts:
    description: File with the machine's host key (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT); no other is trusted.
    type: path
    vars:
      - name: ansible_ssh_bakery_known_hosts
  proxy_command:
    description: Shell command whose input and output lead to the machine's sshd (ssh_config(5)).
    type: str
    vars:
      - name: ansible_ssh_bakery_proxy_command
  executor:
    description:
      - Whether modules are carried out by a process that waits in the machine, with C(ansible.module_utils)
        imported, instead of by a new Python for each of them. The results are the same.
      - It needs O(machine_directory). Tasks of other users,
        background jobs, and modules whose module_utils are not those of this ansible-core take the ordinary
        path all the same.
    type: bool
    default: true
    env:
      - name: BAKERY_EXECUTOR
    vars:
      - name: ansible_ssh_bakery_executor
  machine_directory:
    description:
      - Directory of the machine on this host; the way to its executor is kept there.
      - Over ssh the connection as well; it is made if need be, and must be this user's alone.
    type: path
    vars:
      - name: ansible_ssh_bakery_directory
  machine_environment:
    description:
      - Environment of every command in the machine, beside a fixed minimal one. Nothing else of the
        controller's environment gets in, except for its proxy settings.
      - Over ssh it is beside what the machine gives to whoever logs in, and nothing of the controller's.
    type: dict
    default: {}
    vars:
      - name: ansible_ssh_bakery_environment
  pipelining:
    description: Send modules through standard input instead of copying them into the machine first.
    type: bool
    default: true
    vars:
      - name: ansible_pipelining
      - name: ansible_ssh_bakery_pipelining
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Callable
from typing import Any, ClassVar

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from ansible_collections.bakery.images.plugins.plugin_utils.compiled import load_compiled

load_compiled(
    "module_utils.executor_client",
    "module_utils.executor_program",
    "plugin_utils.executor",
    "plugin_utils.payload_cache",
    "plugin_utils.warm_requests",
    "plugin_utils.warm_executor",
    "plugin_utils.warm_start",
)

# isort: split
from ansible_collections.bakery.images.plugins.module_utils.executor_client import (
    CLEAN_ENVIRONMENT,
    ExecutorDied,
    Outcome,
    Way,
)
from ansible_collections.bakery.images.plugins.plugin_utils.executor import (
    EngineExecutor,
    Executor,
    proxy_environment,
)
from ansible_collections.bakery.images.plugins.plugin_utils.payload_cache import PayloadCache
from ansible_collections.bakery.images.plugins.plugin_utils.warm_executor import Starter, WarmExecutor
from ansible_collections.bakery.images.plugins.plugin_utils.warm_start import EngineStarter

display = Display()

_NEEDED_FOR_SSH = {
    "address": "ansible_ssh_bakery_address",
    "private_key_file": "ansible_ssh_bakery_private_key_file",
    "known_hosts": "ansible_ssh_bakery_known_hosts",
    "machine_directory": "ansible_ssh_bakery_directory",
}


class Connection(ConnectionBase):
    """One machine, reached through an Executor."""

    transport = "bakery.images.machine"
    has_pipelining = True
    default_user = "root"
    allow_extras: ClassVar[bool] = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._executor: Executor | None = None

    def _connect(self) -> Connection:
        self._connected_executor()
        payloads = self._payloads()
        if payloads:
            payloads.offer()
        return self

    def _connected_executor(self) -> Executor:
        if self._executor is None:
            self._executor = self._warm_if_possible(self._ordinary_executor())
            self._connected = True
            display.vvv("MACHINE entered", host=self._name())
        return self._executor

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        """Run a shell command line in the machine; returns its exit status, output and error output."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        display.vvv(f"EXEC {to_text(cmd)}", host=self._name())
        words = ["/bin/sh", "-c", to_text(cmd, errors="surrogate_or_strict")]
        outcome = self._reached(lambda executor: executor.run(words, stdin=in_data))
        payloads = self._payloads() if in_data else None
        if payloads:
            payloads.keep()
        return outcome.status, outcome.stdout, outcome.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        """Write a file of this host into the machine; a process in the machine opens the target."""
        super().put_file(in_path, out_path)
        display.vvv(f"PUT {in_path} TO {out_path}", host=self._name())
        if not os.path.exists(to_bytes(in_path, errors="surrogate_or_strict")):
            raise AnsibleFileNotFound(f"{in_path} does not exist on this host")
        with open(to_bytes(in_path, errors="surrogate_or_strict"), "rb") as source:
            outcome = self._reached(lambda executor: executor.put(source, out_path))
        if outcome.status:
            raise AnsibleError(f"cannot write {out_path} in the machine: {to_text(outcome.stderr).strip()}")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the machine to this host; a process in the machine opens the source."""
        super().fetch_file(in_path, out_path)
        display.vvv(f"FETCH {in_path} TO {out_path}", host=self._name())
        with open(to_bytes(out_path, errors="surrogate_or_strict"), "wb") as out:
            outcome = self._reached(lambda executor: executor.fetch(in_path, out))
        if outcome.status:
            raise AnsibleError(f"cannot read {in_path} in the machine: {to_text(outcome.stderr).strip()}")

    def reset(self) -> None:
        """Enter the machine anew, as ``meta: reset_connection`` asks for; over ssh, log in anew."""
        if self.get_option("entry") == "ssh":
            self._log_out()
        self.close()
        self._connect()

    def _log_out(self) -> None:
        ordinary = self._ssh_executor()
        try:
            WarmExecutor(ordinary, _ssh_starter(ordinary), warn=display.warning, note=display.vvv).retire()
        except OSError as error:
            display.vvv(f"the executor cannot be told to end: {error}", host=self._name())
        ordinary.master.close()

    def close(self) -> None:
        """Let go of the machine."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None
        self._connected = False

    def _reached(self, use: Callable[[Executor], Outcome]) -> Outcome:
        try:
            return use(self._connected_executor())
        except (OSError, ExecutorDied) as error:
            raise AnsibleConnectionFailure(
                f"cannot run a command in machine {self._name()}: {error}"
            ) from error

    def _payloads(self) -> PayloadCache | None:
        """Beside the machines, so that it is for those who may make some."""
        directory = self.get_option("machine_directory")
        if not directory or not self.get_option("executor"):
            return None
        return PayloadCache(os.path.join(os.path.dirname(os.path.dirname(directory)), "payloads"))

    def _warm_if_possible(self, ordinary: Executor) -> Executor:
        entry, warm = self.get_option("entry"), self.get_option("executor")
        starter: Starter
        if not self.get_option("machine_directory") or entry == "engine":
            return ordinary
        if isinstance(ordinary, EngineExecutor):
            starter = EngineStarter(ordinary.way)
        elif warm:
            starter = _ssh_starter(ordinary)
        else:
            return ordinary
        name = self._name()
        return WarmExecutor(
            ordinary,
            starter,
            warm=warm,
            warn=lambda text: display.warning(f"{name}: {text}"),
            note=lambda text: display.vvv(text, host=name),
        )

    def _ordinary_executor(self) -> Executor:
        entry = self.get_option("entry")
        if entry == "ssh":
            return self._ssh_executor()
        if self.get_option("remote_user") != "root":
            raise AnsibleConnectionFailure(
                f"tasks in {self._name()} start as root (ansible_ssh_bakery_user); use become for other users"
            )
        container = self.get_option("container")
        engine = shutil.which(self.get_option("engine"))
        if not container or not engine:
            raise AnsibleConnectionFailure(
                f"{self._name()} cannot be reached: "
                + (
                    "the container engine is not installed"
                    if container
                    else "ansible_ssh_bakery_container is not set; launch it with bakery.images.launch"
                )
            )
        environment = {**CLEAN_ENVIRONMENT, **proxy_environment(), **self._environment()}
        directory = self.get_option("machine_directory") or ""
        return EngineExecutor(Way(directory, engine, container, environment))

    def _ssh_executor(self) -> Any:
        # Not for every task that does without: this file is loaded anew for each of them.
        from ansible_collections.bakery.images.plugins.module_utils.ssh_login import SshMaster, SshWay
        from ansible_collections.bakery.images.plugins.plugin_utils.ssh_executor import SshExecutor

        needed = {option: self.get_option(option) for option in _NEEDED_FOR_SSH}
        missing = [_NEEDED_FOR_SSH[option] for option, value in needed.items() if not value]
        if missing:
            raise AnsibleConnectionFailure(
                f"{self._name()} cannot be reached over ssh: it has no {', '.join(missing)}"
            )
        way = SshWay(
            host=needed["address"],
            port=self.get_option("port"),
            user=self.get_option("remote_user"),
            key=needed["private_key_file"],
            known_hosts=needed["known_hosts"],
            proxy_command=self.get_option("proxy_command"),
        )
        directory = needed["machine_directory"]
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            status = os.stat(directory)
        except OSError as error:
            raise AnsibleConnectionFailure(f"{directory} cannot be made: {error.strerror}") from error
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise AnsibleConnectionFailure(f"{directory} must be a directory of this user alone (mode 0700)")
        return SshExecutor(SshMaster(way, directory), self._environment())

    def _environment(self) -> dict[str, str]:
        return {str(name): str(value) for name, value in self.get_option("machine_environment").items()}

    def _name(self) -> str:
        with contextlib.suppress(KeyError):
            return str(self.get_option("remote_addr"))
        return str(self._play_context.remote_addr)


def _ssh_starter(executor: Any) -> Starter:
    from ansible_collections.bakery.images.plugins.plugin_utils.ssh_start import SshStarter

    return SshStarter(executor)
