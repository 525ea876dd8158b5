"""The machines behind the instances: who boots, stops and ends them, and which state that brings about."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Any

from moto.ec2.models.instances import InstanceState, StateReason

from tests.ec2world import firewall
from tests.ec2world.machine import Disk, Machine, ended
from tests.ec2world.virtual_machine import VirtualMachine
from tests.ec2world.vm_image import VmDisk

STATES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
USER_INITIATED = ("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
INSTANCE_INITIATED = (
    "Client.InstanceInitiatedShutdown",
    "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
)
CRASHED = ("Server.InternalError", "Server.InternalError: Internal error on launch")


@dataclass
class Delays:
    """How long things take beyond what they take anyway, in seconds."""

    instance_s: float = 0.0  # until an instance whose machine boots is running
    stop_s: float = 0.0  # until an instance whose machine is off is stopped
    terminate_s: float = 0.0  # until an instance whose machine is gone is terminated
    image_s: float = 0.0  # until an image that is created, and its snapshots, are available
    copy_s: float = 0.0  # the same for copies


@dataclass
class Fleet:
    """Machines by the ids of their instances.

    What takes time happens in threads, which take ``lock`` to change the state of an instance.
    """

    directory: Path
    world: str
    lock: RLock
    delays: Delays = field(default_factory=Delays)
    machines: dict[str, Machine] = field(default_factory=dict)
    # What a machine did to this world that it may not.
    errors: list[BaseException] = field(default_factory=list)
    _threads: list[Thread] = field(default_factory=list)
    _closed: Event = field(default_factory=Event)

    def launch(self, instance: Any, disk: Disk | VmDisk, user_data: bytes) -> None:
        """Begin the life of a new instance."""
        kind = VirtualMachine if isinstance(disk, VmDisk) else Machine
        machine = kind(
            instance.id, instance.private_ip, disk, self.directory / "machines" / instance.id, self.world
        )
        machine.ports = firewall.let_in(instance.nics[0].group_set)
        machine.begin(user_data)
        self.machines[instance.id] = machine
        set_state(instance, "pending")
        self._spawn(lambda: self._boot(instance, machine))

    def refuse(self, instance: Any, reason: tuple[str, str]) -> None:
        """A launch that EC2 accepts and that fails a moment later."""
        set_state(instance, "pending")
        self._spawn(lambda: self._terminated(instance, reason))

    def stop(self, instance: Any, reason: tuple[str, str] = USER_INITIATED) -> None:
        set_state(instance, "stopping", reason)
        machine = self.machines[instance.id]
        self._spawn(lambda: (machine.shut_down(), self._stopped(instance, reason)))

    def start(self, instance: Any) -> None:
        set_state(instance, "pending")
        self._spawn(lambda: self._boot(instance, self.machines[instance.id]))

    def reboot(self, instance: Any) -> None:
        machine = self.machines[instance.id]
        self._spawn(lambda: (machine.shut_down(), self._boot(instance, machine)))

    def admit(self, instances: Iterable[Any]) -> None:
        """Have machines be reached as the security groups of their instances say now."""
        for instance in instances:
            machine = self.machines.get(instance.id)
            if machine and machine.is_running:
                machine.admit(firewall.let_in(instance.nics[0].group_set), cut=machine.cut)

    def terminate(self, instance: Any, reason: tuple[str, str] = USER_INITIATED) -> None:
        set_state(instance, "shutting-down", reason)
        self._spawn(lambda: self._terminated(instance, reason))

    def close(self) -> None:
        """End everything; nothing of any machine is left."""
        self._closed.set()
        for machine in list(self.machines.values()):
            machine.discard()
        for thread in list(self._threads):
            thread.join()
        for machine in list(self.machines.values()):
            machine.discard()

    def _boot(self, instance: Any, machine: Machine) -> None:
        descriptor = machine.start()
        if descriptor is None:
            return
        self._spawn(lambda: self._watch(instance, machine, descriptor))
        self._closed.wait(self.delays.instance_s)
        with self.lock:
            if instance.state == "pending":
                set_state(instance, "running")

    def _watch(self, instance: Any, machine: Machine, descriptor: int) -> None:
        """Notice when a machine ends by itself, and do what its instance is to do then."""
        pid = machine.pid
        try:
            ended(descriptor)
        finally:
            os.close(descriptor)
        with self.lock:
            by_itself = instance.state in ("pending", "running") and machine.pid == pid
            if not by_itself or self._closed.is_set():
                return
            if instance.instance_initiated_shutdown_behavior == "terminate":
                self.terminate(instance, INSTANCE_INITIATED)
            else:
                self.stop(instance, INSTANCE_INITIATED)

    def _stopped(self, instance: Any, reason: tuple[str, str]) -> None:
        self._closed.wait(self.delays.stop_s)
        with self.lock:
            if instance.state == "stopping":
                set_state(instance, "stopped", reason)

    def _terminated(self, instance: Any, reason: tuple[str, str]) -> None:
        machine = self.machines.get(instance.id)
        if machine:
            machine.end()
        self._closed.wait(self.delays.terminate_s)
        with self.lock:
            if instance.state != "terminated":
                release(instance)
                set_state(instance, "terminated", reason)

    def _spawn(self, work: Callable[[], object]) -> None:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  # a thread has nobody to raise it to
                self.errors.append(error)

        thread = Thread(target=run, name="ec2world-machine", daemon=True)
        self._threads.append(thread)
        thread.start()


def set_state(instance: Any, name: str, reason: tuple[str, str] | None = None) -> None:
    """Put an instance into a state; ``reason`` is a code and a message."""
    instance._state = InstanceState(name, STATES[name])
    instance.state_reason = StateReason(reason[1], reason[0]) if reason else None
    instance._reason = reason[1].partition(": ")[2] if reason else ""


def release(instance: Any) -> None:
    """Give up what belongs to an instance alone: volumes and interfaces that are to go with it."""
    backend = instance.ec2_backend
    goes = [nic for nic in instance.nics.values() if nic.delete_on_termination]
    for nic in goes:
        nic.delete_on_termination = False  # moto would give the address to the next instance at once
    instance.terminate()
    for nic in goes:
        backend.enis.pop(nic.id, None)
        backend.tags.pop(nic.id, None)
