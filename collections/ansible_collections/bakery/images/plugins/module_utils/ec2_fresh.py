# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an instance of a captured image came up as a new machine and not as the one that was captured."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.bakery.images.plugins.module_utils.ec2_instance import Watched
from ansible_collections.bakery.images.plugins.module_utils.ec2_readiness import (
    mark,
    run_script,
    sections_of,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_user_data import KEY_COMMENT, Keys
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.ssh_login import SshMaster

# Clocks are set while a machine boots.
_SLACK_S = 10
_TICKS = 100  # a second (proc(5), sysconf(_SC_CLK_TCK)): on every Linux that EC2 runs
_MACHINE_ID = "/etc/machine-id"
# What an image has there that has none. It stays where systemd may not mount the new one over it, which
# happens in containers only (machine-id(5), "First Boot Semantics").
_NONE_YET = "uninitialized"
_SCRIPT = "\n".join(
    (
        mark("instance"),
        "cat /var/lib/cloud/data/instance-id",
        mark("clock"),
        "date +%s; cat /proc/uptime; cut -d ' ' -f 22 /proc/1/stat",
        mark("made"),
        f"stat -c '%Y %n' {_MACHINE_ID} /etc/ssh/ssh_host_*_key.pub 2>/dev/null",
        mark("machine-id"),
        f"cat {_MACHINE_ID}",
        mark("host-keys"),
        "cat /etc/ssh/ssh_host_*_key.pub",
        mark("authorized"),
        # Whoever has a home may have keys in it.
        "cut -d : -f 6 /etc/passwd | sort -u | while read -r home; do",
        '  for file in "$home"/.ssh/authorized_keys "$home"/.ssh/authorized_keys2; do',
        '    test -f "$file" && sed "s|^|$file |" "$file"',
        "  done",
        "done",
        "true",
    )
)


@dataclass(frozen=True)
class Found:
    """What a booted machine says of itself; times are seconds since 1970, keys are lines by their file."""

    instance: str
    booted: float
    made: dict[str, float]
    machine_id: str
    host_keys: tuple[str, ...]
    authorized: tuple[tuple[str, str], ...]


def check_fresh(watched: Watched, master: SshMaster, keys: Keys) -> None:
    """MachineFailure, with all that is wrong, if the image brought along what belongs to one machine only."""
    text = run_script(watched, master, _SCRIPT, about="what the image brought along cannot be read")
    wrong = faults(read_found(text), watched.id, keys)
    if wrong:
        raise MachineFailure(
            f"instance {watched.id} did not come up as a new machine: {'; '.join(wrong)}; "
            "the image was not sealed as it should be"
        )


def read_found(text: str) -> Found:
    """Read what the script wrote."""
    sections = sections_of(text)
    now, uptime, started = (line.split()[0] for line in sections["clock"])
    made = (line.partition(" ") for line in sections["made"])
    authorized = (line.partition(" ") for line in sections["authorized"])
    return Found(
        instance="".join(sections["instance"]).strip(),
        booted=float(now) - float(uptime) + float(started) / _TICKS,
        made={path: float(seconds) for seconds, _space, path in made},
        machine_id="".join(sections["machine-id"]).strip(),
        host_keys=tuple(line for line in sections["host-keys"] if line.strip()),
        authorized=tuple((path, line.strip()) for path, _space, line in authorized if line.strip()),
    )


def faults(found: Found, instance_id: str, keys: Keys) -> list[str]:
    """What shows that it is not a new machine."""
    wrong = []
    if found.instance != instance_id:
        ran_for = found.instance or "no instance"
        wrong.append(f"cloud-init ran for {ran_for} and not for {instance_id}")
    if len(found.machine_id) != 32 and found.machine_id != _NONE_YET:
        wrong.append(f"'{found.machine_id}' is no machine id")
    wrong += [
        f"{path} is older than the machine"
        for path, seconds in sorted(found.made.items())
        if seconds < found.booted - _SLACK_S and (path, found.machine_id) != (_MACHINE_ID, _NONE_YET)
    ]
    if not any(_same_key(line, keys.host_public) for line in found.host_keys):
        wrong.append("its host key is not the one that it was given")
    wrong += [
        f"{path} lets in a key of another machine of bakery ({line.rsplit(' ', 1)[-1]})"
        for path, line in found.authorized
        if KEY_COMMENT in line.rsplit(" ", 1)[-1] and not _same_key(line, keys.user_public)
    ]
    return wrong


def _same_key(line: str, public: str) -> bool:
    return public.split()[1] in line.split()
