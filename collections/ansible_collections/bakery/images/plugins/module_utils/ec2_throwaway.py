# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a throwaway instance: launched with keys of its own, discarded with all that was made for it.

The account's tags are the truth about what exists. What is on disk, below ``machines/``, is what it takes
to log in, and a journal that tells of a call whose answer may not have come.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import (
    Aws,
    AwsFailure,
    Patience,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_description import describe, write_programs
from ansible_collections.bakery.images.plugins.module_utils.ec2_fresh import check_fresh
from ansible_collections.bakery.images.plugins.module_utils.ec2_instance import (
    LIVING,
    InstanceEnded,
    StillUsed,
    Watched,
    instances_of,
    is_undecided,
    run_instance,
    terminate,
    wait_terminated,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_launch_plan import (
    Attempt,
    Refusal,
    Remaining,
    explained,
    refusal,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_looks import Looks
from ansible_collections.bakery.images.plugins.module_utils.ec2_network import (
    delete_group,
    groups_of,
    let_in,
    make_group,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_permissions import refuse_unpermitted
from ansible_collections.bakery.images.plugins.module_utils.ec2_preparation import Prepared
from ansible_collections.bakery.images.plugins.module_utils.ec2_readiness import (
    wait_for_cloud_init,
    wait_for_ssh,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_request import (
    PUBLIC,
    Request,
    client_token,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_user_data import (
    USER_KEY,
    Keys,
    make_keys,
    user_data,
    write_known_hosts,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.interruptions import noticed
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import (
    Journal,
    Machines,
    new_journal,
)
from ansible_collections.bakery.images.plugins.module_utils.progress import Teller
from ansible_collections.bakery.images.plugins.module_utils.ssh_login import SshMaster, SshWay

# How long an instance may be started before it is seen by its tag.
_UNSEEN_S = 15
# How long it may take to be gone before what waits for it is left to the sweep.
_TERMINATION_S = 300.0


@dataclass(frozen=True)
class Launched:
    """A machine that can be used, the instance it is, and what was tried before."""

    machine: dict[str, Any]
    instance: dict[str, Any]
    attempts: tuple[dict[str, str], ...]
    warnings: tuple[str, ...]


class Discarded(NamedTuple):
    """Whether there was anything to discard, and what is left of it."""

    found: bool
    warnings: tuple[str, ...]


class Ec2Machines:
    """Launches and discards machines of the target ec2 at ``root`` (= ``$BAKERY_HOME/ec2``)."""

    def __init__(self, root: str, aws: Aws, *, patience_s: float = _TERMINATION_S) -> None:
        """``patience_s`` is how long an instance may take to be gone, which its security group waits for."""
        self.machines = Machines(root)
        self._aws = aws
        self._patience_s = patience_s

    def find(self, machine_id: str) -> dict[str, Any] | None:
        """The description of a machine that was launched and lives; None if there is no such machine.

        MachineFailure if there is something by its name that is no usable machine.
        """
        journal = self.machines.find(machine_id)
        living = instances_of(self._aws, machine_id, LIVING)
        if journal is None and not living:
            return None
        machine = journal.details.get("machine") if journal else None
        running = [one["InstanceId"] for one in living if one["State"]["Name"] == "running"]
        if not machine or not journal or running != [journal.details.get("instance")]:
            raise MachineFailure(f"machine '{machine_id}' exists but cannot be used; discard it first")
        found: dict[str, Any] = machine
        return found

    def launch(self, prepared: Prepared) -> Launched:
        """Make, start and await a machine; whatever goes wrong, nothing of it stays."""
        wanted = prepared.wanted
        with noticed():
            journal = self.machines.begin(self._first_journal(prepared))
            try:
                return _Launch(self._aws, self.machines, journal=journal, prepared=prepared).run()
            except BaseException:
                # The first error is the one to tell; what cannot be removed now is left to the sweep.
                with suppress(MachineFailure):
                    self.discard(wanted.machine_id)
                raise

    def exists(self, machine_id: str) -> bool:
        """Whether there is anything to discard."""
        return (
            self._journal(machine_id) is not None
            or bool(instances_of(self._aws, machine_id))
            or bool(groups_of(self._aws, machine_id))
        )

    def costs(self, machine_id: str) -> bool:
        """Whether there is an instance to release."""
        return bool(instances_of(self._aws, machine_id, LIVING))

    def release(self, machine_id: str) -> bool:
        """Have the instance of a machine end, without waiting for it; returns whether there was one.

        What else the machine has is left to ``discard``.
        """
        living = instances_of(self._aws, machine_id, LIVING)
        terminate(self._aws, living)
        return bool(living)

    def discard(self, machine_id: str) -> Discarded:
        """End and remove all that has the machine's tag, half-made or not.

        Some instances take longer to be gone than is worth waiting for. What they keep from going costs
        nothing, and is left to the sweep, which finds it by its tags.
        """
        journal = self._journal(machine_id)
        instances = self._instances(machine_id, journal)
        terminate(self._aws, instances)
        groups, warnings = groups_of(self._aws, machine_id), []
        if groups:
            patience = Patience(self._patience_s)
            try:
                if instances:
                    ids = ", ".join(instance["InstanceId"] for instance in instances)
                    Teller().tell(f"instance {ids} is shutting down: waiting until its security group can go")
                    wait_terminated(self._aws, machine_id, patience)
                for group in groups:
                    delete_group(self._aws, group, patience)
            except StillUsed as used:
                warnings.append(f"{used}; 'bakery sweep' removes {', '.join(groups)} later")
        if journal is not None:
            self._log_out(journal)
        self.machines.remove(machine_id)
        return Discarded(bool(journal or instances or groups), tuple(warnings))

    def _first_journal(self, prepared: Prepared) -> Journal:
        wanted = prepared.wanted
        details = {
            "region": self._aws.region,
            "regions": list(prepared.regions),
            "nonce": secrets.token_hex(8),
            "asked": False,
        }
        return new_journal(
            wanted.machine_id, wanted.kind, owner=wanted.owner, ttl_s=wanted.ttl_s, details=details
        )

    def _journal(self, machine_id: str) -> Journal | None:
        with suppress(MachineFailure):
            return self.machines.find(machine_id)
        return None

    def _instances(self, machine_id: str, journal: Journal | None) -> list[dict[str, Any]]:
        """The instances of a machine: soon after one was asked for, it may not be seen yet."""
        found = instances_of(self._aws, machine_id)
        if found or journal is None:
            return found
        if journal.details.get("asked"):
            for _look in Patience(_UNSEEN_S).looks():
                found = instances_of(self._aws, machine_id)
                if found:
                    break
        elif known := journal.details.get("instance"):
            with suppress(AwsFailure):
                answer = self._aws.call(
                    "describe_instances", f"look at instance {known}", InstanceIds=[known]
                )
                found = [one for every in answer["Reservations"] for one in every["Instances"]]
        return [one for one in found if one["State"]["Name"] != "terminated"]

    def _log_out(self, journal: Journal) -> None:
        way = journal.details.get("way")
        if way:
            with suppress(OSError):
                SshMaster(SshWay(**way), self.machines.path(journal.id)).close()


class _Launch:
    """One launch, step by step; each is in the journal before it is taken."""

    def __init__(self, aws: Aws, machines: Machines, *, journal: Journal, prepared: Prepared) -> None:
        self._aws = aws
        self._machines = machines
        self._journal = journal
        self._prepared = prepared
        self._wanted = prepared.wanted
        self._patience = Patience(prepared.wanted.timeout_s)
        self._directory = machines.path(journal.id)
        self._attempts: list[dict[str, str]] = []
        self._teller = Teller()

    def run(self) -> Launched:
        keys = make_keys(self._directory, self._wanted.machine_id)
        tags = ec2_tags.owned(
            self._wanted.machine_id,
            self._wanted.owner,
            expires=self._journal.created + self._wanted.ttl_s,
            role_set=self._wanted.role_set,
        )
        groups = self._wanted.network.security_groups or (self._group(tags),)
        text = user_data(keys, ttl_s=self._wanted.ttl_s, quiet=self._wanted.kind == "bake")
        request = Request(self._wanted, self._prepared.image, tags, groups, text)
        watched, instance = self._start(request)
        if self._wanted.kind == "bake":  # now, while it boots, and not when its roles were applied
            refuse_unpermitted(self._aws, instance, tags)
        return self._boot(watched, instance, keys)

    def _group(self, tags: dict[str, str]) -> str:
        name = f"bakery-{self._wanted.machine_id}-{self._journal.details['nonce']}"
        group = make_group(self._aws, tags, vpc=self._prepared.subnet.vpc, name=name)
        if self._prepared.cidr:
            let_in(self._aws, group, cidr=self._prepared.cidr, port=self._wanted.login.port)
        return group

    def _start(self, request: Request) -> tuple[Watched, dict[str, Any]]:
        """Start an instance where there is one to be had, and wait until it runs."""
        remaining = Remaining(self._prepared.plan)
        for number, attempt in enumerate(remaining):
            try:
                self._teller.tell(f"starting a {attempt}")
                watched = self._run(request, attempt, number)
                instance = watched.running(public=self._needs_public_address)
            except (AwsFailure, InstanceEnded) as failure:
                code = failure.code if isinstance(failure, AwsFailure) else failure.reason
                why = refusal(code)
                if why in {Refusal.FATAL, Refusal.AGAIN}:
                    raise
                remaining.refused(attempt, why)
                self._attempts.append(attempt.told(explained(code)))
            else:
                self._attempts.append(attempt.told("started"))
                return watched, instance
        tried = "; ".join(f"{told['attempt']}: {told['outcome']}" for told in self._attempts)
        raise MachineFailure(
            f"no instance of {request.image.id} can be had in {self._aws.region}: {tried}; "
            "name more of launch.instance_types and launch.subnets, or have the quota raised"
        )

    def _run(self, request: Request, attempt: Attempt, number: int) -> Watched:
        token = client_token(self._journal.id, self._journal.details["nonce"], number)
        self._note(asked=True, instance=None)
        about = f"start an instance from {request.image.id} ({attempt})"
        try:
            instance_id = run_instance(
                self._aws, about, request.arguments(attempt, token), patience=self._patience
            )
        except AwsFailure as failure:
            if not is_undecided(failure):
                self._note(asked=False)
            raise
        self._note(asked=False, instance=instance_id)
        looks = Looks(self._aws, self._machines.shared("looks"))
        return Watched(self._aws, instance_id, self._patience, looks=looks)

    def _boot(self, watched: Watched, instance: dict[str, Any], keys: Keys) -> Launched:
        way = self._way(instance, keys)
        self._note(way=way._asdict())
        master = SshMaster(way, self._directory)
        self._teller.tell(f"instance {watched.id} runs: waiting for its ssh at {way.host}")
        wait_for_ssh(watched, master, way)
        self._teller.tell(f"instance {watched.id} lets us in: waiting for its cloud-init")
        inside = wait_for_cloud_init(watched, master)
        if self._wanted.kind == "image":
            check_fresh(watched, master, keys)
        machine = describe(self._wanted.machine_id, way, directory=self._directory, inside=inside)
        write_programs(machine, self._directory)
        self._note(machine=machine)
        warnings = [f"{unit} failed while the machine booted" for unit in inside.failed_units]
        if inside.degraded:
            warnings.append(f"cloud-init worked around a problem: {inside.degraded}")
        return Launched(machine, _told(instance), tuple(self._attempts), tuple(warnings))

    @property
    def _needs_public_address(self) -> bool:
        return self._wanted.login.address == PUBLIC and not self._wanted.login.proxy_command

    def _way(self, instance: dict[str, Any], keys: Keys) -> SshWay:
        login = self._wanted.login
        # A proxy command finds the machine by its instance: so do Session Manager and Instance Connect.
        host = instance["PublicIpAddress" if self._needs_public_address else "PrivateIpAddress"]
        if login.proxy_command:
            host = instance["InstanceId"]
        known_hosts = write_known_hosts(self._directory, host, login.port, public=keys.host_public)
        return SshWay(
            host=host,
            port=login.port,
            user=login.user,
            key=self._machines.path(self._journal.id, USER_KEY),
            known_hosts=known_hosts,
            proxy_command=login.proxy_command,
        )

    def _note(self, **details: Any) -> None:
        self._journal = self._machines.update(self._journal, details={**self._journal.details, **details})


def _told(instance: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": instance["InstanceId"],
        "type": instance["InstanceType"],
        "image": instance["ImageId"],
        "zone": instance["Placement"]["AvailabilityZone"],
        "market": instance.get("InstanceLifecycle", "on-demand"),
        "private_address": instance.get("PrivateIpAddress"),
        "public_address": instance.get("PublicIpAddress"),
    }
