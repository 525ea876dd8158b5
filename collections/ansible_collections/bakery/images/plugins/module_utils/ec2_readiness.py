# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an instance can be used: ssh answers with the host key that it was given, and cloud-init is done."""

from __future__ import annotations

import shlex
import socket
import subprocess
import tempfile
from dataclasses import dataclass

from ansible_collections.bakery.images.plugins.module_utils.ec2_instance import Watched
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.ssh_login import (
    HostKeyRefused,
    SshMaster,
    SshWay,
)

_PROBE_S = 2
_BROKEN = 255  # ssh(1)
_MARK = "@@bakery "
_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3", "/bin/python3")
# cloud-init status(1): 0 done, 1 crashed, 2 done with a problem it could work around.
_SCRIPT = f"""
cloud-init status --wait >/dev/null 2>&1
echo '{_MARK}status' $?
cloud-init status --long 2>&1
echo '{_MARK}failed'
systemctl list-units --failed --plain --no-legend --no-pager
echo '{_MARK}present'
for path in {" ".join(_PYTHONS)} /bin/bash /usr/bin/sudo; do test -x "$path" && echo "$path"; done
true
"""
_CRASHED, _NO_CLOUD_INIT = 1, 127


@dataclass(frozen=True)
class Inside:
    """What a booted machine has: units that failed, its Python, its shell, and whether it has sudo."""

    failed_units: tuple[str, ...]
    python: str
    shell: str
    sudo: bool
    degraded: str


def wait_for_ssh(watched: Watched, master: SshMaster, way: SshWay) -> None:
    """Wait until the machine lets us in; MachineFailure at once if it is somebody else who answers."""
    trouble = "nobody was asked"
    for _look in watched.patience.looks():
        trouble = "" if way.proxy_command else _silence(way.host, way.port)
        if not trouble:
            try:
                master.open()
            except HostKeyRefused as error:
                raise MachineFailure(
                    f"{error}: whoever answers is not instance {watched.id}, and is told nothing"
                ) from error
            except OSError as error:
                trouble = str(error)
            else:
                return
        watched.look()
    raise MachineFailure(
        f"instance {watched.id} lets nobody log in after {watched.patience.seconds:.0f} seconds: {trouble}; "
        "see that launch.address, the subnet's routes and the security group let this host reach it"
    )


def wait_for_cloud_init(watched: Watched, master: SshMaster) -> Inside:
    """Wait until cloud-init has done all it does on the first boot; MachineFailure if that failed."""
    text = run_script(watched, master, _SCRIPT, about="cloud-init did not finish")
    sections = sections_of(text)
    status, told = int(sections["status"][0].split()[-1]), "\n".join(sections["status"][1:]).strip()
    if status == _NO_CLOUD_INIT:
        raise MachineFailure(f"instance {watched.id} has no cloud-init; choose a base image that has it")
    if status == _CRASHED:
        raise MachineFailure(f"cloud-init failed in instance {watched.id}: {told or 'it does not say why'}")
    present = sections["present"]
    return Inside(
        failed_units=tuple(line.split()[0] for line in sections["failed"] if line.split()),
        python=next((path for path in _PYTHONS if path in present), _PYTHONS[0]),
        shell="/bin/bash" if "/bin/bash" in present else "/bin/sh",
        sudo="/usr/bin/sudo" in present,
        degraded=told if status else "",
    )


def run_script(watched: Watched, master: SshMaster, script: str, *, about: str) -> str:
    """What a script of the machine's shell writes; started anew if the connection breaks.

    MachineFailure if its time is up (``about`` it), or the instance ends.
    """
    command = f"exec {shlex.join(['/bin/sh', '-c', script])}"
    said = "the connection breaks"
    for _look in watched.patience.looks():
        try:
            master.open()
        except OSError as error:
            said = str(error)
        else:
            status, text, said = _run(watched, master, command)
            if status == 0:
                return text
            if status is not None and status != _BROKEN:
                raise MachineFailure(f"{about} in instance {watched.id}: {said or text}")
        watched.look()
    raise MachineFailure(
        f"{about} in instance {watched.id} in {watched.patience.seconds:.0f} seconds: {said}"
    )


def sections_of(text: str) -> dict[str, list[str]]:
    """The lines between marks, by the first word of the mark; the first line is the rest of the mark, where
    it has one.
    """
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(_MARK):
            name, _space, rest = line.removeprefix(_MARK).partition(" ")
            lines = sections.setdefault(name, [])
            lines += [rest] if rest else []
        elif line:
            lines.append(line)
    return sections


def mark(name: str) -> str:
    """A line of a script that begins a section of its output."""
    return f"echo; echo '{_MARK}{name}'"  # what stands before may not end its line


def _run(watched: Watched, master: SshMaster, command: str) -> tuple[int | None, str, str]:
    """Run a command while its instance is watched; the status is None if the time is up."""
    # Into a file: a pipe would have to be read while we wait.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            master.client(command), stdin=subprocess.DEVNULL, stdout=out, stderr=errors, cwd=master.directory
        ) as process:
            try:
                status = _await(watched, process)
            finally:
                process.kill()
        out.seek(0)
        errors.seek(0)
        return status, out.read().decode(errors="replace"), errors.read().decode(errors="replace").strip()


def _await(watched: Watched, process: subprocess.Popen[bytes]) -> int | None:
    while watched.patience.left():
        try:
            return process.wait(timeout=min(5.0, watched.patience.left()))
        except subprocess.TimeoutExpired:
            watched.look()
    return process.poll()


def _silence(host: str, port: int) -> str:
    """Why there is no ssh server at an address; empty if there is one."""
    try:
        with socket.create_connection((host, port), timeout=_PROBE_S) as connection:
            return "" if connection.recv(4) == b"SSH-" else f"no ssh server answers at {host} port {port}"
    except OSError as error:
        return f"{host} port {port}: {error.strerror or error}"
