"""The machine of an instance: a container that boots systemd on an overlay over the layers of a disk."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree
from ansible_collections.bakery.images.plugins.module_utils.overlay_mount import (
    copy_root_attributes,
    mount_overlay,
    unmount,
)
from ansible_collections.bakery.images.plugins.module_utils.podman import Podman

from tests.ec2world import firewall
from tests.ec2world.base_image import SEED
from tests.ec2world.firewall import Ports

LABEL = "io.bakery-test.ec2world"
_CAPABILITIES = ("MKNOD", "AUDIT_WRITE", "NET_RAW", "SYS_NICE")
_STOP_TIMEOUT_S = 60
_ASK_AGAIN_S = 0.5
_SSH = 22


@dataclass(frozen=True)
class Disk:
    """What is on a volume: frozen trees, lowest first, by their names below the directory ``store``."""

    store: Path
    layers: tuple[str, ...]

    def with_layer(self, name: str) -> Disk:
        return Disk(self.store, (*self.layers, name))


@dataclass
class Machine:
    """A machine at ``address``; its own changes are in ``directory``/upper until they are frozen."""

    instance_id: str
    address: str
    disk: Disk
    directory: Path
    world: str
    pid: int | None = None
    # The TCP ports that it can be reached on, and whether the network is cut.
    ports: list[Ports] = field(default_factory=list)
    cut: bool = False
    # The first process while there is anything to clear, also of one that has ended.
    _process: int | None = None
    _over: bool = False
    _lock: RLock = field(default_factory=RLock)

    @property
    def container(self) -> str:
        return f"ec2world-{self.instance_id}"

    @property
    def tree(self) -> Path:
        """The root of the machine's file system as it is now; only while it runs."""
        return self.directory / "root"

    @property
    def is_running(self) -> bool:
        return self.pid is not None

    @property
    def console(self) -> str:
        """What the machine wrote to its console in all of its boots."""
        try:
            lines = (self.directory / "console.log").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        # Each line: time, stream, whether it is whole, text (the engine's log driver k8s-file).
        fields = [line.split(" ", 3) for line in lines]
        return "".join(f[3] + ("\n" if f[2] == "F" else "") for f in fields if len(f) == 4)

    def begin(self, user_data: bytes) -> None:
        """Make the machine's directory, and the seed that cloud-init reads."""
        self.directory.mkdir(parents=True)
        copy_root_attributes(str(self.disk.store / self.disk.layers[-1]), str(self._made("upper")))
        self.write_seed(user_data)

    def write_seed(self, user_data: bytes) -> None:
        seed = self._made("seed")
        name = f"ip-{self.address.replace('.', '-')}"
        meta = f"instance-id: {self.instance_id}\nlocal-hostname: {name}\n"
        (seed / "meta-data").write_text(meta)
        (seed / "user-data").write_bytes(user_data)

    def start(self) -> int | None:
        """Boot; returns a descriptor that becomes readable when the machine ends (pidfd_open(2)).

        None where it may not boot any more.
        """
        with self._lock:
            if self._over:
                return None
            self.pid = self._process = self.boot()
            return os.pidfd_open(self.pid)

    def boot(self) -> int:
        """Start its first process, and let in whom it is to let in."""
        # What "volatile" leaves there keeps the kernel from mounting the same directory again.
        delete_tree(str(self.directory / "work"))
        work, root = self._made("work"), self._made("root")
        lowerdirs = list(reversed(self.disk.layers))
        upper = str(self.directory / "upper")
        mount_overlay(str(self.disk.store), lowerdirs, at=str(root), upper=upper, work=str(work))
        pidfile = self.directory / "pid"
        pidfile.unlink(missing_ok=True)
        command, options = ["/sbin/init"], self._options()
        pid = Podman().run(self.container, str(root), command, options=options, pidfile=str(pidfile))
        firewall.apply(pid, self.ports, cut=self.cut)
        return pid

    def admit(self, ports: list[Ports], *, cut: bool = False) -> None:
        """Let it be reached on ``ports`` only, or, with ``cut``, have its network go dead."""
        with self._lock:
            changes = (ports, cut) != (self.ports, self.cut)
            self.ports, self.cut = ports, cut
            if changes and self.pid is not None:
                firewall.apply(self.pid, ports, cut=cut)

    def shut_down(self) -> None:
        """End everything in it in order, as pressing the power button does; by force if that takes long."""
        with self._lock:
            pid, self.pid = self.pid, None
            if pid is None:
                return
            with suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                try:
                    self.halt(pid, descriptor)
                finally:
                    os.close(descriptor)
            self.clear()

    def halt(self, pid: int, descriptor: int) -> None:
        """Ask until it ends: who has just begun to boot does not listen yet."""
        for _attempt in range(int(_STOP_TIMEOUT_S / _ASK_AGAIN_S)):
            os.kill(pid, signal.SIGRTMIN + 3)  # systemd(1): halt
            if ended(descriptor, timeout_s=_ASK_AGAIN_S):
                return

    def clear(self) -> None:
        """Remove the container, alive or not, and unmount the tree, whose directory stays."""
        with self._lock:
            Podman().remove(self.container, grace_s=0)
            unmount(str(self.directory))
            self.pid = self._process = None

    def end(self) -> None:
        """End it for good, at once; what is left is what it said on its console."""
        with self._lock:
            self._over = True
            self.clear()
            for name in ("upper", "work", "root", "seed"):
                delete_tree(str(self.directory / name))

    def discard(self) -> None:
        """Leave nothing of the machine."""
        with self._lock:
            self.end()
            delete_tree(str(self.directory))

    def freeze(self, layer: str) -> Disk:
        """What is on the disk now, as the disk of an image; the machine goes on from there.

        A running machine is copied while it writes: consistent as after a crash.
        """
        with self._lock:
            upper, frozen = self.directory / "upper", self.disk.store / layer
            if self.is_running:
                subprocess.run(["cp", "--archive", "--reflink=auto", upper, frozen], check=True)
                return self.disk.with_layer(layer)
            upper.rename(frozen)
            copy_root_attributes(str(frozen), str(self._made("upper")))
            self.disk = self.disk.with_layer(layer)
            return self.disk

    def _options(self) -> list[str]:
        return [
            "--systemd=always",
            "--tty",
            f"--hostname=ip-{self.address.replace('.', '-')}",
            f"--publish={self.address}:{_SSH}:{_SSH}",
            f"--volume={self.directory}/seed:{SEED}:ro",
            f"--label={LABEL}={self.world}",
            f"--label={LABEL}.directory={self.directory}",
            "--log-driver=k8s-file",
            f"--log-opt=path={self.directory}/console.log",
            *(f"--cap-add={name}" for name in _CAPABILITIES),
        ]

    def _made(self, name: str) -> Path:
        path = self.directory / name
        path.mkdir(exist_ok=True)
        return path


def ended(descriptor: int, *, timeout_s: float | None = None) -> bool:
    """Wait for the process of a pidfd to end; whether it did."""
    poll = select.poll()  # select(2) takes no descriptors beyond 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))
