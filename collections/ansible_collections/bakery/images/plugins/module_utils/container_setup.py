# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container is set up: the engine's options, its first process, and what it finds below /run."""

from __future__ import annotations

import inspect
import os
import shutil
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import executor_client
from ansible_collections.bakery.images.plugins.module_utils.apt_cache import APT_CONFIG, KEEP_ARCHIVES
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.image_settings import decode_settings
from ansible_collections.bakery.images.plugins.module_utils.machine_tree import boots_systemd
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner
from ansible_collections.bakery.images.plugins.module_utils.podman import label_options

HOSTNAME = "bakery"
# A tmpfs holds it, so nothing of it can get into a layer.
INSIDE = "/run/bakery"
STOP_GRACE_S = 30
_LOG_BYTES = 8 << 20
# What image builds with other tools may do too: packages make devices and audit logins.
_BAKE_CAPABILITIES = ("MKNOD", "AUDIT_WRITE", "NET_RAW")
# Services that would work on the machine behind a role's back (and hold apt's lock), or that only cost time
# when it boots: a condition keeps them from starting here, and roles may still enable, start or mask them.
_QUIET_UNITS = (
    "apt-daily",
    "apt-daily-upgrade",
    "dpkg-db-backup",
    "e2scrub_all",
    "fstrim",
    "logrotate",
    "man-db",
    "motd-news",
    "systemd-journal-flush",
    "systemd-remount-fs",
    "systemd-update-utmp",
    "systemd-update-utmp-runlevel",
)

_INITS = ("/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd")


def common_options(labels: dict[str, str], owner: Owner | None) -> list[str]:
    """Options of every machine: its host name, and labels that the sweep finds it and its owner by."""
    if owner:
        labels = {**labels, "bake": owner.bake, "owner": f"{owner.pid}:{owner.start}:{owner.boot}"}
    # What a machine writes to its console is a file of the host, and read for its last lines.
    log = ["--log-driver=k8s-file", f"--log-opt=max-size={_LOG_BYTES}"]
    return [f"--hostname={HOSTNAME}", f"--stop-timeout={STOP_GRACE_S}", *log, *label_options(labels)]


def bake_options(directory: str, init: str) -> list[str]:
    """Options of a machine to provision; ``directory`` is the machine's own."""
    options = [f"--cap-add={name}" for name in _BAKE_CAPABILITIES]
    options.append(f"--volume={directory}/inside:{INSIDE}:ro")
    if init == "systemd":
        return [*options, "--systemd=always", f"--volume={directory}/units:/run/systemd/system:rw"]
    tmpfs = ["--tmpfs=/run:rw,nosuid,nodev,exec,mode=755", "--tmpfs=/tmp:rw,nosuid,nodev,exec,mode=1777"]
    return [*options, "--systemd=false", *tmpfs]


def image_options(config: dict[str, Any], directory: str, init: str) -> list[str]:
    """Engine options that honour an image configuration (image-spec, config.md) as ``podman run`` would.

    Whoever made the image chose its values: each is the value of one option, in a form that means one thing.
    """
    settings = decode_settings(config, of="the image's configuration")
    options = [
        "--systemd=always" if init == "systemd" else "--systemd=true",
        "--interactive",
        "--http-proxy=false",
    ]
    options += [f"--env={setting}" for setting in settings.get("Env", ())]
    # Unlike --volume, this form has another word for a path of the host.
    options += [f"--mount=type=volume,destination={path}" for path in sorted(settings.get("Volumes", ()))]
    for option, value in (
        ("--user", settings.get("User")),
        ("--workdir", settings.get("WorkingDir")),
        ("--stop-signal", settings.get("StopSignal")),
    ):
        if value:
            options.append(f"{option}={value}")
    if init == "pause":
        options.append(f"--volume={directory}/inside:{INSIDE}:ro")
    return options


def first_process(config: dict[str, Any] | None, tree: str) -> tuple[str, list[str]]:
    """Who is the machine's first process (``systemd``, ``pause``, ``image``), and its command line."""
    settings = decode_settings(config or {}, of="the image's configuration")
    command = [*settings.get("Entrypoint", ()), *settings.get("Cmd", ())]
    if command:
        return ("systemd" if command[0] in _INITS and boots_systemd(tree) else "image"), command
    if boots_systemd(tree):
        return "systemd", ["/sbin/init"]
    return "pause", [f"{INSIDE}/init", "-P"]


def prepare_inside(directory: str, init: str) -> None:
    """Files that the machine sees below /run, and the programs of this host that run commands in it."""
    inside, units = os.path.join(directory, "inside"), os.path.join(directory, "units")
    for name, text in (("apt.conf", APT_CONFIG), ("keep-archives", KEEP_ARCHIVES)):
        with open(os.path.join(inside, name), "w", encoding="utf-8") as out:
            out.write(text)
    for unit in _QUIET_UNITS:
        dropin = os.path.join(units, f"{unit}.service.d")
        os.mkdir(dropin)
        with open(os.path.join(dropin, "bakery.conf"), "w", encoding="utf-8") as out:
            out.write(f"[Unit]\nConditionPathExists=!{INSIDE}\n")
    _refuse_reboots(units)
    if init == "pause":
        # A static program of the engine's own that does nothing but wait for children (catatonit -P).
        program = shutil.which("catatonit") or shutil.which(
            "catatonit", path="/usr/libexec/podman:/usr/lib/podman"
        )
        if program is None:
            raise MachineFailure(
                "a base without systemd needs the init program catatonit; install the package 'catatonit'"
            )
        shutil.copy2(program, os.path.join(inside, "init"))
    for name in ("enter.py", "serve.py"):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as out:
            out.write(inspect.getsource(executor_client))


def _refuse_reboots(units: str) -> None:
    """Have systemd refuse to reboot, at once and with a word: the machine would end, and Ansible's module
    reboot wait ten minutes for it to come back.

    ``shutdown`` has logind do it later (systemd-logind.service(8)), which is refused too late to be told:
    where a directory is in the place of logind's note, it cannot be scheduled, and ``shutdown`` says so.
    """
    os.symlink("/dev/null", os.path.join(units, "reboot.target"))
    dropin = os.path.join(units, "systemd-logind.service.d")
    os.mkdir(dropin)
    with open(os.path.join(dropin, "bakery.conf"), "w", encoding="utf-8") as out:
        out.write("[Service]\nExecStartPre=-/bin/mkdir -p /run/systemd/shutdown/scheduled\n")
