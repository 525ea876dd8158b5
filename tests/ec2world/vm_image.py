"""The disk of the base AMI whose instances are virtual machines: the same Debian, which has a kernel."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree

from tests.ec2world.base_image import ensure_base_tree
from tests.sharing import locked

_SIZE = "3G"
_CLOUD_CONFIG = """\
datasource_list: [NoCloud]
system_info: {default_user: {name: admin, gecos: Debian}}
network: {config: disabled}
grub_dpkg: {enabled: false}
locale: false
"""
# Emulated, the search for old snapshots of logical volumes takes seconds.
_MASKED = ("e2scrub_reap.service",)
_NETWORK = "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n"


@dataclass(frozen=True)
class VmDisk:
    """A raw disk without partitions, and what boots it: there is no loader on it."""

    path: Path
    kernel: Path
    initrd: Path

    def at(self, path: Path) -> VmDisk:
        return replace(self, path=path)


def ensure_vm_disk(home: Path) -> VmDisk:
    """The disk below ``home``, made unless it is there; one of several who want it does."""
    base = ensure_base_tree(home)
    recipe = json.dumps([base.name, _CLOUD_CONFIG, _MASKED, _NETWORK, _SIZE], sort_keys=True)
    directory = home / "bases" / f"vm-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    with locked(home / "vm.lock"):
        if not directory.exists():
            partial = directory.with_suffix(".partial")
            delete_tree(str(partial))
            partial.mkdir(parents=True)
            tree = partial / "tree"
            subprocess.run(["cp", "--archive", "--reflink=auto", base, tree], check=True)
            _finish(tree)
            for name in ("vmlinuz", "initrd.img"):
                (partial / name).write_bytes((tree / name).read_bytes())
            words = ["mke2fs", "-q", "-t", "ext4", "-d", tree, partial / "disk", _SIZE]
            subprocess.run(words, check=True, capture_output=True)
            delete_tree(str(tree))
            partial.rename(directory)
    return VmDisk(directory / "disk", directory / "vmlinuz", directory / "initrd.img")


def _finish(tree: Path) -> None:
    """What no engine does for a virtual machine, and its own network."""
    (tree / "etc" / "fstab").write_text("/dev/vda / ext4 rw 0 1\n")
    (tree / "etc" / "cloud" / "cloud.cfg.d" / "90_ec2.cfg").write_text(_CLOUD_CONFIG)
    for unit in _MASKED:
        (tree / "etc" / "systemd" / "system" / unit).symlink_to("/dev/null")
    (tree / "etc" / "systemd" / "network" / "20-wired.network").write_text(_NETWORK)
    wants = tree / "etc" / "systemd" / "system" / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "systemd-networkd.service").symlink_to("/lib/systemd/system/systemd-networkd.service")
