"""The tree of the base AMI: Debian as its makers publish it for EC2, as far as a container can boot it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ansible_collections.bakery.images.plugins.module_utils.debian_base import (
    DebianSpec,
    clear_devices,
    make_tree,
)
from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree

from tests.sharing import locked

# A container does nothing with a kernel: the disk of virtual machines is made from the same tree.
_KERNEL = ("initramfs-tools", "linux-image-cloud-amd64", "zstd")
_SPEC = DebianSpec(suite="bookworm", packages=("cloud-init", "iproute2", "openssh-server", "sudo", *_KERNEL))
# Where a machine finds its user data. /run is a tmpfs, so that nothing of it is in what is captured.
SEED = "/run/ec2-seed"

# The instance metadata service has no address in a container: user data comes as a NoCloud seed instead.
_CLOUD_CONFIG = f"""\
datasource_list: [NoCloud]
datasource:
  NoCloud:
    seedfrom: {SEED}/
system_info:
  default_user:
    name: admin
    gecos: Debian
network: {{config: disabled}}
# What sizes disks, of which a container has none.
growpart: {{mode: "off"}}
resize_rootfs: false
# What asks about the loader that a container has none of, and what only costs time.
grub_dpkg: {{enabled: false}}
locale: false
"""
# Services that only cost time in a container, or that the engine does the work of.
MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "getty.target",
    "systemd-remount-fs.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
)


def ensure_base_tree(home: Path) -> Path:
    """The base's frozen tree below ``home``, made unless it is there; one of several who want it does."""
    recipe = json.dumps([vars(_SPEC), _CLOUD_CONFIG, MASKED], sort_keys=True)
    tree = home / "bases" / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    with locked(home / "bases.lock"):
        if not tree.exists():
            tree.parent.mkdir(mode=0o700, exist_ok=True)
            partial = tree.with_suffix(".partial")
            delete_tree(str(partial))
            make_tree(_SPEC, str(partial))
            _make_into_image(partial)
            partial.rename(tree)
    return tree


def _make_into_image(tree: Path) -> None:
    """Leave out what is one machine's own, and say where cloud-init finds its data."""
    clear_devices(str(tree))
    for key in (tree / "etc" / "ssh").glob("ssh_host_*"):
        key.unlink()
    (tree / "etc" / "machine-id").write_text("")
    # The engine mounts its own files over these.
    for name in ("hostname", "hosts", "resolv.conf"):
        path = tree / "etc" / name
        path.unlink(missing_ok=True)
        path.touch()
    (tree / "etc" / "cloud" / "cloud.cfg.d" / "90_ec2.cfg").write_text(_CLOUD_CONFIG)
    for unit in MASKED:
        (tree / "etc" / "systemd" / "system" / unit).symlink_to("/dev/null")
