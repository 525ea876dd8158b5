"""Logging in to a machine as a user would: real ssh, a key of one's own, and a host key known beforehand."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.ec2world.waiting import until


@dataclass(frozen=True)
class Login:
    """A pair of keys for the user and one for the host, in ``directory``."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> Login:
        directory.mkdir(parents=True)
        for name in ("user", "host"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", directory / name]
            subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        return cls(directory)

    @property
    def user_data(self) -> str:
        """Cloud-init's configuration that lets the user in, as root, to a machine with this host key."""
        config = {
            "disable_root": False,
            "ssh_authorized_keys": [self._text("user.pub")],
            "ssh_deletekeys": True,
            "ssh_keys": {
                "ed25519_private": self._text("host") + "\n",
                "ed25519_public": self._text("host.pub"),
            },
        }
        return f"#cloud-config\n{json.dumps(config)}"

    def command(self, address: str, user: str = "root") -> list[str | Path]:
        """The words of an ssh that takes no other host key and asks nothing."""
        known = self.directory / f"known-{address}"
        known.write_text(f"{address} {self._text('host.pub')}\n")
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(known),
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "/dev/null", "-i", self.directory / "user", *words, f"{user}@{address}"]

    def try_run(
        self, address: str, script: str, user: str = "root", timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        words = [*self.command(address, user), script]
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout_s
        )

    def run(self, address: str, script: str, user: str = "root", timeout_s: float = 120) -> str:
        """What a script in the machine writes; it must succeed."""
        done = self.try_run(address, script, user, timeout_s)
        assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def wait(self, address: str, user: str = "root", timeout_s: float = 180) -> None:
        """Wait until one can log in and cloud-init has done all of its work."""
        self.wait_for_ssh(address, user, timeout_s)
        self.run(address, "cloud-init status --wait >/dev/null", user, timeout_s)

    def wait_for_ssh(self, address: str, user: str = "root", timeout_s: float = 180) -> None:
        """Wait until one can log in."""
        until(
            lambda: self.try_run(address, "true", user).returncode == 0,
            what=f"ssh to {address}",
            timeout_s=timeout_s,
            pause_s=0.25,
        )

    def _text(self, name: str) -> str:
        return (self.directory / name).read_text().strip()
