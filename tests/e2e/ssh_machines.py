"""A machine with an sshd of its own, reached over ssh and by nothing else."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

from tests.e2e.machines import Machine, Machines

SSHD = """
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --no-install-recommends openssh-server sudo >/dev/null
rm /etc/ssh/ssh_host_*
cat > /etc/ssh/ssh_host_ed25519_key <<'KEY'
{host_key}
KEY
chmod 600 /etc/ssh/ssh_host_ed25519_key
cat > /etc/ssh/sshd_config.d/bakery.conf <<'CONFIG'
HostKey /etc/ssh/ssh_host_ed25519_key
LogLevel VERBOSE
CONFIG
useradd --create-home --shell /bin/bash admin
echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin
for home in /root /home/admin; do
    mkdir -p -m 700 $home/.ssh
    echo '{user_key}' > $home/.ssh/authorized_keys
    chown -R --reference $home $home/.ssh
done
systemctl restart ssh
"""


def launch(machines: Machines, name: str) -> Machine:
    """A machine named ``name``; its inventory leads over ssh, with keys made for it."""
    machine = machines.launch(name)
    keys = machines.workplace / name
    keys.mkdir()
    host_key, user_key = make_key(keys / "host"), make_key(keys / "user")
    machine.run(SSHD.format(host_key=(keys / "host").read_text().strip(), user_key=user_key))
    address = machine.launched.address
    (keys / "known_hosts").write_text(f"{address} {host_key}\n")
    hostvars = {
        "ansible_connection": "bakery.images.machine",
        "ansible_ssh_bakery_entry": "ssh",
        "ansible_ssh_bakery_address": address,
        "ansible_ssh_bakery_user": "root",
        "ansible_ssh_bakery_private_key_file": str(keys / "user"),
        "ansible_ssh_bakery_known_hosts": str(keys / "known_hosts"),
        "ansible_ssh_bakery_directory": str(keys / "machines" / name),
        "ansible_ssh_bakery_environment": machine.hostvars["ansible_ssh_bakery_environment"],
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_remote_tmp": "/run/bakery-ansible",
        "ansible_async_dir": "/run/bakery-async",
    }
    inventory = keys / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"machine": hostvars}}}))
    return replace(machine, inventory=inventory)


def make_key(path: Path) -> str:
    """A new pair of keys in ``path`` and ``path``.pub; returns the public one without its comment."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    return path.with_name(f"{path.name}.pub").read_text().strip()
