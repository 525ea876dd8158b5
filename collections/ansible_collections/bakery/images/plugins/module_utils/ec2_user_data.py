# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new instance is told before anybody can log in: its host key, who may log in, and when to end.

The host key is ours, so the first connection already knows whom it talks to. It and the user's key are made
for one machine and are worth nothing after it.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

USER_KEY, KNOWN_HOSTS = "id_ed25519", "known_hosts"
_HOST_KEY = "host_ed25519"
# Begins the comment of every user key of ours, so that one that stayed somewhere is recognised.
KEY_COMMENT = "bakery:"
# Services that would hold apt's lock, or work on the machine behind a role's back.
_QUIET_UNITS = ("apt-daily", "apt-daily-upgrade", "man-db", "dpkg-db-backup")
TIMER = "bakery-expiry"
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Keys:
    """The public halves, and the private one of the host, of a machine's keys."""

    user_public: str
    host_public: str
    host_private: str


def make_keys(directory: str, machine_id: str) -> Keys:
    """Make a machine's keys; its user's private one stays in ``directory``, that of the host does not."""
    user = _make_key(os.path.join(directory, USER_KEY), f"{KEY_COMMENT}{machine_id}")
    host_path = os.path.join(directory, _HOST_KEY)
    host = _make_key(host_path, "")
    with open(host_path, encoding="ascii") as source:
        private = source.read()
    os.unlink(host_path)
    return Keys(user_public=user, host_public=host, host_private=private)


def write_known_hosts(directory: str, host: str, port: int, *, public: str) -> str:
    """Write the file with a machine's host key (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT); returns its path."""
    path = os.path.join(directory, KNOWN_HOSTS)
    name = host if port == 22 else f"[{host}]:{port}"
    with open(path, "w", encoding="ascii") as out:
        out.write(f"{name} {public}\n")
    return path


def user_data(keys: Keys, *, ttl_s: int, quiet: bool) -> str:
    """The cloud-config (cloud-init) of a machine that ends after ``ttl_s``.

    ``quiet`` keeps services from working behind the back of whoever provisions it. All that is set up
    for that and for the end is in /run: nothing of it gets into an image. So passwords are the base's own
    affair: cloud-init would write into the image's configuration of sshd that they are of no use.
    """
    boot = [_expiry(ttl_s)]
    if quiet:
        boot.insert(0, ["sh", "-c", _quiet_script()])
    config: dict[str, Any] = {
        "disable_root": False,
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": keys.host_private, "ed25519_public": keys.host_public},
        "ssh_authorized_keys": [keys.user_public],
        "bootcmd": boot,
    }
    # JSON is YAML.
    return "#cloud-config\n" + json.dumps(config, indent=1) + "\n"


def _expiry(ttl_s: int) -> list[str]:
    # This runs while systemd waits for it to end, before the targets that timers and services are after.
    at_once = "--timer-property=DefaultDependencies=no --property=DefaultDependencies=no"
    timer = f"systemd-run --quiet --unit={TIMER} --on-active={ttl_s}s {at_once} systemctl poweroff"
    return ["sh", "-c", f"timeout 30 {timer} || shutdown -P +{max(1, ttl_s // 60)}"]


def _quiet_script() -> str:
    place = "/run/systemd/system/$unit.service.d"
    return (
        f"for unit in {' '.join(_QUIET_UNITS)}; do mkdir -p {place}; "
        f"printf '[Unit]\\nConditionPathExists=!/run/systemd/system\\n' > {place}/bakery.conf; done; "
        "systemctl daemon-reload"
    )


def _make_key(path: str, comment: str) -> str:
    """Make a pair of keys; returns the public one. Its file ``.pub`` does not stay."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path]
    try:
        subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=_TIMEOUT_S, text=True
        )
    except FileNotFoundError as error:
        raise MachineFailure("ssh-keygen is not installed; install the package openssh-client") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = str(error.stderr or error).strip()
        raise MachineFailure(f"ssh-keygen cannot make a key in {path}: {said}") from error
    with open(f"{path}.pub", encoding="ascii") as source:
        public = source.read().strip()
    os.unlink(f"{path}.pub")
    return public
