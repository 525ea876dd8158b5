# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a Debian or Ubuntu root file system with mmdebstrap and its own default mirror."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

# What Ansible needs on a machine: its interpreter, the bindings of the apt module, and trusted certificates.
_FOR_ANSIBLE = ("python3", "python3-apt", "ca-certificates")
_FOR_SYSTEMD = ("systemd-sysv", "dbus")
_UBUNTU_KEYRING = "/usr/share/keyrings/ubuntu-archive-keyring.gpg"
_UBUNTU_NAMES = "/usr/share/distro-info/ubuntu.csv"
_UBUNTU_SUITES = frozenset(
    {"xenial", "bionic", "focal", "jammy", "lunar", "mantic", "noble", "oracular", "plucky", "questing"}
)
_SUITE = re.compile(r"\A[a-z0-9][a-z0-9.+-]*\Z")
# Any fixed time before that of every package: tools then write nothing of today, and compiled Python
# names its source by a hash and not by a time (PEP 552).
_SOURCE_DATE_EPOCH = 1_577_836_800
# Its mounts are in a namespace of their own and all its processes end with us: nothing outlives a kill.
_CONTAINED = ("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")
# What the keyring of a user's own is called in the base: its path on this host is nobody's business there.
_TRUSTED = "bakery-base"
# mmdebstrap on what apt has said already, and apt on who downloads.
_NOISE = re.compile(
    r"E: (?:apt-get .* failed|mmdebstrap failed to run)\Z|W: Download is performed unsandboxed"
)
_TIMEOUT_S = 3600
_LAST_LINES = 6
# In bytes: less than the package lists of any suite.
_NO_SPACE = 64 << 20


@dataclass(frozen=True)
class DebianSpec:
    """What a base is made of."""

    suite: str
    components: tuple[str, ...] = ("main",)
    packages: tuple[str, ...] = ()
    systemd: bool = True
    mirror: str | None = None
    variant: str = "minbase"
    keyring: str | None = None

    @classmethod
    def from_wire(cls, source: dict[str, Any]) -> DebianSpec:
        """Read ``bakery_base.source.debian``; what is absent or None has its default."""
        given = {name: value for name, value in source.items() if value is not None}
        for name in ("components", "packages"):
            if name in given:
                given[name] = tuple(given[name])
        return cls(**given)

    def command(self, tree: str) -> list[str]:
        """The words that make the tree."""
        wanted = [*_FOR_ANSIBLE, *(_FOR_SYSTEMD if self.systemd else ()), *self.packages]
        words = [
            *_CONTAINED,
            "mmdebstrap",
            "--mode=root",
            "--format=directory",
            f"--variant={self.variant}",
            f"--components={','.join(self.components)}",
            f"--include={','.join(dict.fromkeys(wanted))}",
            '--aptopt=Acquire::Retries "3"',
            "--dpkgopt=force-unsafe-io",
            *([f"--keyring={self.keyring}"] if self.keyring else ()),
            self.suite,
            tree,
        ]
        return [*words, self.mirror] if self.mirror else words


def make_tree(spec: DebianSpec, tree: str) -> None:
    """Make the root file system ``tree``, which must not exist; MachineFailure with mmdebstrap's words.

    Temporary files are made beside it: whoever removes what was begun removes them too.
    """
    if not _SUITE.match(spec.suite):
        raise MachineFailure(f"'{spec.suite}' is not the name of a suite, such as 'bookworm'")
    if shutil.which("mmdebstrap") is None:
        raise MachineFailure("mmdebstrap is not installed; install the package 'mmdebstrap'")
    if spec.keyring and not os.path.exists(spec.keyring):
        raise MachineFailure(f"the keyring {spec.keyring} does not exist")
    if not spec.keyring and spec.suite in _ubuntu_suites() and not os.path.exists(_UBUNTU_KEYRING):
        raise MachineFailure(
            f"the packages of Ubuntu '{spec.suite}' cannot be verified here: {_UBUNTU_KEYRING} is missing; "
            "install the package 'ubuntu-keyring'"
        )
    environment = tool_environment(tree)
    os.makedirs(environment["TMPDIR"], mode=0o755, exist_ok=True)
    try:
        done = subprocess.run(
            spec.command(tree),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            umask=0o022,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MachineFailure(
            f"mmdebstrap took longer than {_TIMEOUT_S} seconds for '{spec.suite}'"
        ) from error
    if done.returncode:
        reason = "there is no space left for it" if _is_full(tree) else _reason(done.stderr)
        raise MachineFailure(f"mmdebstrap could not make '{spec.suite}': {reason}")
    if spec.keyring:
        trust_keyring(spec.keyring, tree)


def tool_environment(tree: str) -> dict[str, str]:
    """The environment of mmdebstrap for ``tree``."""
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "TMPDIR": f"{tree}.tmp",
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(_SOURCE_DATE_EPOCH),
        **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")},
    }


def trust_keyring(keyring: str, tree: str) -> None:
    """Let apt in ``tree`` trust ``keyring``, a file of this host: roles install from the same mirror.

    mmdebstrap trusts it for its own run only, or names its place on this host in the sources (mmdebstrap(1),
    ``--keyring``), where nothing is in the machine.
    """
    with open(keyring, "rb") as file:
        content = file.read()
    # apt tells the two formats apart by this ending (apt-secure(8)).
    ending = "asc" if content.lstrip().startswith(b"-----BEGIN") else "gpg"
    directory = os.path.join(tree, "etc/apt/trusted.gpg.d")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, f"{_TRUSTED}.{ending}")
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, 0o644)
    sources = os.path.join(tree, "etc/apt/sources.list")
    with open(sources, encoding="utf-8") as text:
        lines = text.read()
    with open(sources, "w", encoding="utf-8") as text:
        text.write(lines.replace(f' [signed-by="{keyring}"]', ""))


def newest_changelog(tree: str) -> int:
    """The newest time (seconds) of a Debian changelog in the tree: the same for the same set of packages."""
    newest = 0
    documents = os.path.join(tree, "usr/share/doc")
    with os.scandir(documents) as packages:
        for package in packages:
            if not package.is_dir(follow_symlinks=False):
                continue
            with os.scandir(package.path) as files:
                for file in files:
                    if file.name.startswith("changelog") and file.name.endswith(".gz"):
                        status = file.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode):
                            newest = max(newest, int(status.st_mtime))
    if not newest:
        raise MachineFailure("the new base has no package changelogs, so that its time cannot be told")
    return newest


def clear_devices(tree: str) -> None:
    """Empty ``/dev``: every container has its own."""
    directory = os.path.join(tree, "dev")
    for name in os.listdir(directory):
        delete_tree(os.path.join(directory, name))


def _ubuntu_suites() -> frozenset[str]:
    """Ubuntu's code names, from distro-info where it is installed."""
    try:
        with open(_UBUNTU_NAMES, encoding="utf-8") as table:
            return _UBUNTU_SUITES | {line.split(",")[2] for line in table if line.count(",") > 3}
    except FileNotFoundError:
        return _UBUNTU_SUITES


def _is_full(tree: str) -> bool:
    """Whether the disk is so full that this is what went wrong; apt tells that to mmdebstrap alone."""
    status = os.statvfs(os.path.dirname(tree))
    return status.f_bavail * status.f_frsize < _NO_SPACE


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("E:", "error", "W:"))]
    telling = [line for line in telling if not _NOISE.match(line)] or telling
    return "; ".join((telling or lines)[-_LAST_LINES:]) or "it gave no reason"
