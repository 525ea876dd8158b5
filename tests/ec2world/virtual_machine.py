"""The machine of an instance as a virtual machine: a kernel, a disk and a power button, in software."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.ec2world.machine import Machine, ended
from tests.ec2world.vm_image import VmDisk

_NAME = "ec2world"
_STOP_TIMEOUT_S = 300
_ASK_AGAIN_S = 5.0
_KILL_TIMEOUT_S = 30


@dataclass
class VirtualMachine(Machine):
    """``disk`` is a file, copied for each machine. Security groups count for port 22, when it boots."""

    disk: VmDisk  # type: ignore[assignment]

    @property
    def console(self) -> str:
        with suppress(FileNotFoundError):
            return (self.directory / "console.log").read_text(errors="replace")
        return ""

    @property
    def own_disk(self) -> Path:
        return self.directory / "disk"

    def begin(self, user_data: bytes) -> None:
        self.directory.mkdir(parents=True)
        _copy(self.disk.path, self.own_disk)
        self.write_seed(user_data)

    def boot(self) -> int:
        console = (self.directory / "console.log").open("ab")
        with console:
            process = subprocess.Popen(
                self._words(), stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
            )
        # Nobody waits for it by this object: the descriptor of the process tells when it ends.
        process.returncode = 0
        return process.pid

    def admit(self, ports: list[tuple[int, int]], *, cut: bool = False) -> None:
        """Remember it for the next boot."""
        self.ports, self.cut = ports, cut

    def halt(self, pid: int, descriptor: int) -> None:
        for _attempt in range(int(_STOP_TIMEOUT_S / _ASK_AGAIN_S)):
            with suppress(OSError), socket.socket(socket.AF_UNIX) as monitor:
                monitor.settimeout(_ASK_AGAIN_S)
                monitor.connect(str(self.directory / "monitor"))
                # The emulator forgets what it has not read of somebody who is gone.
                _read_prompt(monitor)
                monitor.sendall(b"system_powerdown\n")
                _read_prompt(monitor)
            if ended(descriptor, timeout_s=_ASK_AGAIN_S):
                return

    def clear(self) -> None:
        with self._lock:
            pid, self.pid = self._process, None
            self._process = None
            if pid is None:
                return
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def end(self) -> None:
        with self._lock:
            super().end()
            self.own_disk.unlink(missing_ok=True)

    def freeze(self, layer: str) -> VmDisk:  # type: ignore[override]
        with self._lock:
            frozen = self.disk.kernel.parent.parent.parent / layer
            _copy(self.own_disk, frozen)
            return self.disk.at(frozen)

    def _words(self) -> list[str]:
        network = "user,id=net"
        if any(first <= 22 <= last for first, last in self.ports):
            network += f",hostfwd=tcp:{self.address}:22-:22"
        seed = f"file.driver=vvfat,file.dir={self.directory}/seed,file.label=CIDATA"
        return [
            "qemu-system-x86_64",
            *("-name", f"{_NAME}:{self.world}:{self.instance_id}"),
            *("-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "768"),
            *("-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"),
            *("-monitor", f"unix:{self.directory}/monitor,server=on,wait=off"),
            *("-kernel", str(self.disk.kernel), "-initrd", str(self.disk.initrd)),
            *("-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0"),
            *("-drive", f"file={self.own_disk},format=raw,if=virtio,cache=unsafe"),
            *("-drive", f"{seed},format=raw,if=virtio,readonly=on"),
            *("-netdev", network, "-device", "virtio-net-pci,netdev=net"),
            *("-device", "virtio-rng-pci"),
        ]


def _read_prompt(monitor: socket.socket) -> None:
    said = b""
    while not said.endswith(b"(qemu) ") and (more := monitor.recv(4096)):
        said += more


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, target], check=True)


def emulators() -> list[tuple[int, str]]:
    """Processes that emulate machines of a world, by their world's name."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if words[0].startswith(b"qemu-system") and words[2].startswith(f"{_NAME}:".encode()):
                found.append((int(path.parent.name), words[2].decode().split(":")[1]))
    return found
