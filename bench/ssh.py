"""Applying roles over ssh: fresh machines that are all alike, and the same tasks."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.checkpoint import Checkpoint, checkpoint
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.machine_description import describe
from ansible_collections.bakery.images.plugins.module_utils.throwaway import Launched, Throwaways, Wanted

from bench import children
from bench.failure import CommandFailed, NotRun
from bench.install import ensure_packages, ensure_venv
from bench.layers import find_base
from bench.peers.bakery import Bakery
from bench.peers.names import BAKERY, IN_CONTAINER, PACKER_SSH, PLAIN_SSH
from bench.peers.packer import packer_environment, write_template
from bench.peers.stopwatch import Stopwatch
from bench.places import PEERS
from bench.progress import Progress
from bench.timing import Timing, compete
from bench.work import Project
from bench.workloads import mixed

TASK = f"{mixed.TITLE}: applying the tasks over ssh"
_MACHINE = "bench-ssh"
_INSTALL = """
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --no-install-recommends openssh-server >/dev/null
"""
_LET_IN = """
mkdir -p -m 700 /root/.ssh
echo '{user}' >/root/.ssh/authorized_keys
(umask 077; echo '{host}' >/etc/ssh/bench_host_key)
echo 'HostKey /etc/ssh/bench_host_key' >/etc/ssh/sshd_config.d/bench.conf
# Without a host key it was started in vain until systemd gave up.
systemctl reset-failed ssh
systemctl restart ssh
"""
_SCRIPT_S = 300


@dataclass
class OverSsh:
    """Each turn has a machine of its own with an sshd; how long that takes to come up is not measured."""

    bakery: Bakery
    project: Project
    rounds: int
    _layers: list[str] = field(default_factory=list)

    def steps(self) -> list[str]:
        return [TASK]

    def run(self, progress: Progress) -> tuple[Timing, ...]:
        self.directory.mkdir(parents=True, exist_ok=True)
        for key in (self._key, self._host_key):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
            subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        failures: dict[str, str] = {}
        try:
            with progress.step(TASK):
                self._install()
                everybody = {
                    BAKERY: lambda: self._apply(self._inventory("ssh")),
                    IN_CONTAINER: lambda: self._apply(self._inventory("container")),
                    PLAIN_SSH: self._plain,
                    PACKER_SSH: self._packer,
                }
                able = {name: self._or_out(name, work, failures) for name, work in everybody.items()}
                timings = compete(TASK, able, rounds=self.rounds, prepare=self._launch)
        finally:
            self._throwaways.discard(_MACHINE)
        return tuple(
            Timing(TASK, one.who, failure=failures[one.who]) if one.who in failures else one
            for one in timings
        )

    @property
    def directory(self) -> Path:
        return self.bakery.place.directory / "ssh"

    @property
    def _key(self) -> Path:
        return self.directory / "user"

    @property
    def _host_key(self) -> Path:
        return self.directory / "host"

    @property
    def _known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def _throwaways(self) -> Throwaways:
        return Throwaways(str(self.bakery.home / "container"))

    def _or_out(self, name: str, work: Callable[[], object], failures: dict[str, str]) -> Callable[[], None]:
        """The work, until it fails once."""

        def turn() -> None:
            if name in failures:
                return
            try:
                work()
            except (NotRun, CommandFailed) as error:
                failures[name] = f"failed: {error}"
                print(f"bench:     {name} failed: {error}", flush=True)

        return turn

    def _install(self) -> None:
        """A layer with an sshd, and whatever the others need."""
        ensure_packages("openssh-client", "packer")
        ensure_venv("ansible")
        throwaways, base = self._throwaways, find_base(self.bakery.home)
        self._layers = [layer["id"] for layer in base["layers"]]
        launched = self._start(throwaways, base)
        self._run(throwaways, launched, _INSTALL)
        about = {"role": "bench", "version": "", "created_by": "bench"}
        frozen = checkpoint(throwaways, launched.journal, Checkpoint(base["epoch"], about, "gzip"))
        self._layers.append(frozen.layer["id"])

    def _launch(self) -> None:
        """A fresh machine, and the ways to it."""
        throwaways, base = self._throwaways, find_base(self.bakery.home)
        throwaways.discard(_MACHINE)
        launched = self._start(throwaways, base)
        user, host = (key.with_suffix(".pub").read_text().strip() for key in (self._key, self._host_key))
        self._run(throwaways, launched, _LET_IN.format(user=user, host=self._host_key.read_text()))
        address = str(launched.address)
        self._known_hosts.write_text(f"{address} {' '.join(host.split()[:2])}\n")
        directory = throwaways.machines.path(_MACHINE)
        machine = describe(launched.journal, directory, address=address, failed=())
        self._write_inventory("container", machine["hostvars"])
        self._write_inventory("ssh", self._over_ssh(machine["hostvars"], address))
        self._write_inventory("plain", self._plainly(address))

    def _start(self, throwaways: Throwaways, base: dict[str, Any]) -> Launched:
        wanted = Wanted(_MACHINE, tuple(self._layers), base["epoch"], apt_scope=base["digest"])
        try:
            return throwaways.launch(wanted)
        except MachineFailure as error:
            raise NotRun(str(error)) from error

    def _run(self, throwaways: Throwaways, launched: Launched, script: str) -> None:
        command = throwaways.command(launched.journal)
        done = command.run(["/bin/sh", "-ec", script], timeout_s=_SCRIPT_S)
        if done.returncode:
            raise NotRun(done.stderr.decode(errors="replace").strip())

    def _over_ssh(self, inside: dict[str, Any], address: str) -> dict[str, Any]:
        return {
            "ansible_connection": "bakery.images.machine",
            "ansible_ssh_bakery_entry": "ssh",
            "ansible_ssh_bakery_address": address,
            "ansible_ssh_bakery_user": "root",
            "ansible_ssh_bakery_private_key_file": str(self._key),
            "ansible_ssh_bakery_known_hosts": str(self._known_hosts),
            "ansible_ssh_bakery_directory": str(self.directory / "way"),
            "ansible_ssh_bakery_environment": inside["ansible_ssh_bakery_environment"],
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_remote_tmp": "/run/bakery-ansible",
            "ansible_async_dir": "/run/bakery-async",
        }

    def _plainly(self, address: str) -> dict[str, Any]:
        return {
            "ansible_host": address,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self._key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self._known_hosts}",
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    def _inventory(self, name: str) -> Path:
        return self.directory / f"{name}.json"

    def _write_inventory(self, name: str, hostvars: dict[str, Any]) -> None:
        self._inventory(name).write_text(json.dumps({"all": {"hosts": {"machine": hostvars}}}))

    def _apply(self, inventory: Path) -> None:
        self.bakery.playbook(self.project, self.project.playbook, "--inventory", str(inventory))

    def _plain(self) -> None:
        environment = os.environ | {"ANSIBLE_PIPELINING": "True", "ANSIBLE_NOCOLOR": "True"}
        program = PEERS / "ansible" / "bin" / "ansible-playbook"
        words: list[str | Path] = [program, "--inventory", self._inventory("plain"), self.project.playbook]
        children.run(
            words, cwd=self.project.directory, env=environment, log=self.bakery.place.log("ssh-plain")
        )

    def _packer(self) -> None:
        machine = json.loads(self._inventory("plain").read_text())["all"]["hosts"]["machine"]
        builder = {
            "type": "null",
            "communicator": "ssh",
            "ssh_host": machine["ansible_host"],
            "ssh_username": "root",
            "ssh_private_key_file": str(self._key),
        }
        template = write_template(self.project.directory / "packer-ssh.json", builder, self.project)
        directory = self.directory / "packer"
        watch = Stopwatch(directory / "bin", PEERS / "ansible" / "bin" / "ansible-playbook")
        children.run(
            ["packer", "build", template],
            cwd=self.project.directory,
            env=os.environ | packer_environment(directory, watch.directory, self.project),
            log=self.bakery.place.log("ssh-packer"),
        )
