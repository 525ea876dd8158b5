"""A small EC2 on this machine: moto's control plane made truthful, and containers that are the instances.

    with World(home) as world:
        ec2 = boto3.client("ec2", **world.client_options)
        started = ec2.run_instances(ImageId=world.base_image, MinCount=1, MaxCount=1, InstanceType="t3.small")

``world.environment`` points other processes at it. Nothing of it is left after ``close()``.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property
from itertools import groupby
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Self

os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # moto reads it when it makes a region

import moto.ec2.urls
from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree
from ansible_collections.bakery.images.plugins.module_utils.overlay_mount import unmount
from ansible_collections.bakery.images.plugins.module_utils.podman import Listed, Podman
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.base_backend import BackendDict
from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.ec2.utils import filter_dict_attribute_mapping
from moto.ssm.models import Parameter, ssm_backends

from tests.ec2world.base_image import ensure_base_tree
from tests.ec2world.calls import Call
from tests.ec2world.fleet import CRASHED, Delays, Fleet
from tests.ec2world.image_calls import ImageCalls
from tests.ec2world.images import DiskSnapshot, Hardware, Image, Outcome, SourceVolume
from tests.ec2world.instance_calls import InstanceCalls
from tests.ec2world.machine import LABEL, Disk, Machine
from tests.ec2world.networks import VPC, claim, claim_first, subnets
from tests.ec2world.server import Server, Shim
from tests.ec2world.virtual_machine import emulators
from tests.ec2world.vm_image import VmDisk, ensure_vm_disk
from tests.ec2world.waiting import until

_BASE_GIB = 8
_REGION = "eu-central-1"
# Filters of DescribeInstances that moto lacks.
_INSTANCE_FILTERS = {
    "client-token": "client_token",
    "instance-lifecycle": "lifecycle",
    "instance.private-ip-address": "private_ip",
}


class World:
    """One account of AWS. A process has one at a time; several processes do not get in each other's way."""

    region = _REGION
    account = DEFAULT_ACCOUNT_ID
    base_owner = "136693071363"
    base_name = "debian-12-amd64-20260101-1"
    base_ssm = "/aws/service/debian/release/12/latest/amd64"

    def __init__(self, home: Path) -> None:
        home = home.resolve()
        self._base = ensure_base_tree(home)
        self.lock = RLock()
        self._shim = Shim(self.lock)
        number, endpoint = claim_first()
        self._server = Server(self._shim, endpoint)
        self.name = f"world-{number}"
        self._remove_leftovers()
        self.directory = home / "worlds" / f"{self.name}-{secrets.token_hex(4)}"
        self._home = home
        # Where what is frozen goes, relative to the store of disks.
        self.layers = f"{self.directory.relative_to(home)}/layers"
        (home / self.layers).mkdir(parents=True, mode=0o700)
        self.fleet = Fleet(self.directory, self.name, self.lock)
        # What client tokens were used for: (region, operation, token) -> (fingerprint, answer).
        self.tokens: dict[tuple[str, str, str], tuple[str, Any]] = {}
        # Images by id, also those that are gone: an instance outlives its image.
        self.known_images: dict[str, Image] = {}
        self._moto_urls = dict(moto.ec2.urls.url_paths)
        BackendDict.reset()
        self._answer_calls()
        self.subnets = self._make_network(number)
        disk = Disk(home, (str(self._base.relative_to(home)),))
        self.base_image = self._register(self.base_name, disk).id
        self._publish(self.base_ssm, self.base_image)
        self._server.start()

    # -- for tests ---------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """Variables for processes that are to use this world; they take it for AWS."""
        return {
            "AWS_ENDPOINT_URL": self._server.url,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.0/8," + self._server.url.split("/")[2].partition(":")[0],
        }

    @property
    def client_options(self) -> dict[str, str]:
        """Keyword arguments of ``boto3.client`` for this process."""
        names = {
            "endpoint_url": "AWS_ENDPOINT_URL",
            "aws_access_key_id": "AWS_ACCESS_KEY_ID",
            "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
            "region_name": "AWS_DEFAULT_REGION",
        }
        return {option: self.environment[name] for option, name in names.items()}

    @cached_property
    def vm_image(self) -> str:
        """An AMI whose instances are virtual machines: slow, and nothing of a container."""
        disk = ensure_vm_disk(self._home)
        with self.lock:
            return self._register(f"emulated-{self.base_name}", disk).id

    @property
    def calls(self) -> list[Call]:
        """The calls that arrived, oldest first."""
        return self._shim.calls

    @property
    def faults(self) -> Any:
        """The rules of what goes wrong: see ``Faults``."""
        return self._shim.faults

    @property
    def delays(self) -> Delays:
        return self.fleet.delays

    @property
    def broken(self) -> list[str]:
        """Calls that this world does not know, and what its threads stumbled over: there should be none."""
        calls = [f"{call.service} {call.action}: {text[:2000]}" for call, text in self._shim.broken]
        return calls + [repr(error) for error in self.fleet.errors]

    def actions(self) -> list[str]:
        """The names of the calls that arrived, oldest first, but for dry runs."""
        return [call.action for call in list(self.calls) if not call.dry]

    def instances(self) -> list[Machine]:
        """The machines that run."""
        return [machine for machine in self.fleet.machines.values() if machine.is_running]

    def machine(self, instance_id: str) -> Machine:
        """The machine of an instance, running or not."""
        return self.fleet.machines[instance_id]

    def state(self, instance_id: str, region: str = _REGION) -> str:
        with self.lock:
            return str(self._instance(instance_id, region).state)

    def wait_state(self, instance_id: str, *states: str, timeout_s: float = 60) -> str:
        """Wait until the instance is in one of ``states``."""
        return until(
            lambda: (state := self.state(instance_id)) in states and state,
            what=f"{instance_id} {' or '.join(states)}",
            timeout_s=timeout_s,
        )

    def end_instance(self, instance_id: str, *, code: str = CRASHED[0], message: str = CRASHED[1]) -> None:
        """Let an instance terminate for a reason of AWS's, such as ``Server.SpotInstanceTermination``."""
        with self.lock:
            self.fleet.terminate(self._instance(instance_id, self.region), (code, message))

    @contextmanager
    def cut_off(self, instance_id: str) -> Iterator[None]:
        """Have the network of an instance be dead meanwhile: nothing gets in or out, and nobody is told."""
        machine = self.machine(instance_id)
        machine.admit(machine.ports, cut=True)
        try:
            yield
        finally:
            machine.admit(machine.ports, cut=False)

    def image(self, image_id: str) -> Image:
        """An image of any region, also one that is deregistered."""
        return self.known_images[image_id]

    def fail_image(self, image_id: str, reason: str) -> None:
        """Let a pending image, and its snapshots, end as failed now."""
        with self.lock:
            outcome = self.known_images[image_id].outcome
            outcome.failure, outcome.ready_at = reason, 0.0

    def finish_image(self, image_id: str) -> None:
        """Let a pending image be available now."""
        with self.lock:
            self.known_images[image_id].outcome.ready_at = 0.0

    def left(self, region: str = _REGION) -> dict[str, list[str]]:
        """What is in the account and costs money or is in the way, by type of resource; the base is not."""
        with self.lock:
            backend = ec2_backends[self.account][region]
            instances = [i.id for i in backend.all_instances() if i.state != "terminated"]
            groups = [g.id for groups in backend.groups.values() for g in groups.values() if not g.is_default]
            return {
                "instances": instances,
                "volumes": list(backend.volumes),
                "network-interfaces": list(backend.enis),
                "security-groups": groups,
                "key-pairs": list(backend.key_pairs),
                "images": [i.id for i in backend.amis.values() if i.owner_id == self.account],
                "snapshots": [s.id for s in backend.snapshots.values() if s.owner_id == self.account],
            }

    def forget(self) -> None:
        """Drop what a test set up here: rules, delays, records. What is in the account stays."""
        self.faults.clear()
        self.calls.clear()
        self._shim.broken.clear()
        self.fleet.errors.clear()
        self.fleet.delays = Delays()

    def empty_account(self) -> None:
        """End all instances and remove what ``left`` tells, without the calls for it."""
        with self.lock:
            regions = list(ec2_backends[self.account])
            for region in regions:
                _end_instances(ec2_backends[self.account][region], self.fleet)
        for region in regions:
            until(lambda region=region: not self.left(region)["instances"], what="all machines ended")
        with self.lock:
            for region in regions:
                _remove_rest(ec2_backends[self.account][region], self.account)
            self.tokens.clear()

    def close(self) -> None:
        """End every machine and leave nothing."""
        self._server.close()
        self.fleet.close()
        unmount(str(self.directory))
        delete_tree(str(self.directory))
        moto.ec2.urls.url_paths.update(self._moto_urls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- for the calls -----------------------------------------------------------------------------

    def remember(self, image: Image) -> None:
        self.known_images[image.id] = image

    def parameter(self, region: str, name: str) -> str:
        """The value of an SSM parameter, for ``resolve:ssm:``."""
        (found,) = ssm_backends[self.account][region].get_parameters([name]).values()
        return str(found.value)

    # -- making it ---------------------------------------------------------------------------------

    def _remove_leftovers(self) -> None:
        """Remove the machines of worlds that were killed: of those whose network nobody owns, and of ours."""
        podman = Podman()
        for world, containers in groupby(sorted(podman.containers(LABEL), key=_world_of), key=_world_of):
            with suppress(OSError), nullcontext() if world == self.name else claim(int(world.split("-")[1])):
                directories = set()
                for container in containers:
                    podman.remove(container.name, grace_s=0)
                    directories.add(Path(container.labels[f"{LABEL}.directory"]).parent.parent)
                # A world has one directory: of all of its machines nothing may be mounted there any more.
                for directory in directories:
                    unmount(str(directory))
                    delete_tree(str(directory))
        for process, world in emulators():
            with suppress(OSError), nullcontext() if world == self.name else claim(int(world.split("-")[1])):
                os.kill(process, signal.SIGKILL)

    def _answer_calls(self) -> None:
        answers = type("Ec2", (InstanceCalls, ImageCalls), {"world": self})
        moto.ec2.urls.url_paths["{0}/"] = answers.dispatch
        filter_dict_attribute_mapping.update(_INSTANCE_FILTERS)

    def _make_network(self, number: int) -> list[str]:
        """The default VPC, with a subnet in each of two zones."""
        backend = ec2_backends[self.account][self.region]
        for zone in backend.subnets.values():
            for subnet_id in list(zone):
                backend.delete_subnet(subnet_id)
        backend.delete_vpc(backend.default_vpc.id)
        vpc = backend.create_vpc(VPC, is_default=True)
        backend.default_vpc = vpc
        # As an administrator would: ssh from here, for who names no group.
        (default,) = backend.groups[vpc.id].values()
        here = [{"CidrIp": "127.0.0.0/8"}]
        backend.authorize_security_group_ingress(default.id, "tcp", "22", "22", here)
        return [
            backend.create_subnet(vpc.id, network, availability_zone=f"{self.region}{zone}").id
            for network, zone in zip(subnets(number), "ab", strict=True)
        ]

    def _register(self, name: str, disk: Disk | VmDisk) -> Image:
        """Have an image of the base's owner that everybody may launch."""
        backend = ec2_backends[self.account][self.region]
        hardware = Hardware(boot_mode="uefi-preferred", imds="v2.0")
        image = Image(backend, name, hardware, Outcome(), description="Debian 12")
        image.owner_id = self.base_owner
        image.launch_permissions = [{"Group": "all"}]
        volume = SourceVolume("vol-ffffffff", _BASE_GIB)
        snapshot = DiskSnapshot(
            backend, volume, Outcome(), description="", owner_id=self.base_owner, from_ami=image.id, disk=disk
        )
        ebs = {
            "SnapshotId": snapshot.id,
            "VolumeSize": _BASE_GIB,
            "VolumeType": "gp2",
            "DeleteOnTermination": True,
            "Encrypted": False,
        }
        image.mappings = [{"DeviceName": image.root_device_name, "Ebs": ebs}]
        self.remember(image)
        return image

    def _publish(self, name: str, value: str) -> None:
        """Make a public parameter of AWS's, which nobody may put through the API."""
        parameter = Parameter(
            self.account,
            name,
            value,
            parameter_type="String",
            description=None,
            allowed_pattern=None,
            keyid=None,
            last_modified_date=utcnow(),
            version=1,
            data_type="aws:ec2:image",
        )
        ssm_backends[self.account][self.region]._parameters[name].append(parameter)

    def _instance(self, instance_id: str, region: str) -> Any:
        return ec2_backends[self.account][region].get_instance(instance_id)


def _end_instances(backend: Any, fleet: Fleet) -> None:
    for instance in backend.all_instances():
        if instance.state not in ("shutting-down", "terminated"):
            instance.disable_api_termination = False
            fleet.terminate(instance)


def _remove_rest(backend: Any, account: str) -> None:
    for image in list(backend.amis.values()):
        if image.owner_id == account:
            del backend.amis[image.id]
    for snapshot in list(backend.snapshots.values()):
        if snapshot.owner_id == account:
            del backend.snapshots[snapshot.id]
    for groups in backend.groups.values():
        for group in [group for group in groups.values() if not group.is_default]:
            del groups[group.id]
    for volume in [volume for volume in backend.volumes.values() if not volume.attachment]:
        del backend.volumes[volume.id]
    backend.key_pairs.clear()


def _world_of(container: Listed) -> str:
    """The name of the world that a container is a machine of."""
    return container.labels[LABEL]
