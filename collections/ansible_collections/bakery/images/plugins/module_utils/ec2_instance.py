# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of the target ec2 as EC2 sees them: found by their tag, started, awaited, ended."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import (
    NOT_FOUND_PATIENCE_S,
    Aws,
    AwsFailure,
    Patience,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_launch_plan import Refusal, refusal
from ansible_collections.bakery.images.plugins.module_utils.ec2_looks import Looks
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

LIVING = ("pending", "running", "stopping", "stopped")
GOING = ("shutting-down",)
_GONE = ("terminated",)
# The code of the StateReason of a spot instance that EC2 needed for somebody else.
_RECLAIMED = "Server.SpotInstanceTermination"
# The code of one that somebody stopped or terminated.
_CALLED = "Client.UserInitiatedShutdown"
_CONSOLE_LINES = 20
# How often an instance may be asked for: InsufficientInstanceCapacity is an HTTP 500, which botocore would
# go on retrying where there is nothing to be had.
_ATTEMPTS = 2
_RUN_PATIENCE_S = 120


class InstanceEnded(MachineFailure):
    """An instance is not coming up, or is gone; ``reason`` is the code of its StateReason."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class StillUsed(MachineFailure):
    """Something cannot be removed yet, because what uses it is not gone."""


def instances_of(
    aws: Aws, machine_id: str, states: Sequence[str] = (*LIVING, *GOING)
) -> list[dict[str, Any]]:
    """The instances that were started for a machine."""
    return [
        instance
        for page in aws.pages(
            "describe_instances",
            f"find the instance of machine {machine_id}",
            Filters=[
                ec2_tags.having(ec2_tags.MACHINE, machine_id),
                {"Name": "instance-state-name", "Values": list(states)},
            ],
        )
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]


def what_became_of(aws: Aws, machine_id: str) -> list[dict[str, Any]]:
    """The instances of a machine, also those that are gone, as ec2_machine_info returns them."""
    found = []
    for instance in instances_of(aws, machine_id, (*LIVING, *GOING, *_GONE)):
        reason, state = instance.get("StateReason") or {}, instance["State"]["Name"]
        code = reason.get("Code", "")
        found.append(
            {
                "machine": machine_id,
                "id": instance["InstanceId"],
                "state": state,
                "market": instance.get("InstanceLifecycle", "on-demand"),
                "reason": reason.get("Message") or code,
                "uncalled": state not in {"pending", "running"} and code not in {"", _CALLED},
                "reclaimed": code == _RECLAIMED,
            }
        )
    return found


def run_instance(aws: Aws, about: str, arguments: dict[str, Any], *, patience: Patience) -> str:
    """Start an instance; returns its id.

    The same request is made again where EC2 has no time, or its answer was lost: by its token EC2 knows it.
    """

    def run() -> str:
        answer = aws.call("run_instances", about, attempts=_ATTEMPTS, **arguments)
        return str(answer["Instances"][0]["InstanceId"])

    return patience.at_most(_RUN_PATIENCE_S).until_done(run, worth_again=is_undecided)


def is_undecided(failure: AwsFailure) -> bool:
    """Whether a request may have been carried out, or may be if it is made again."""
    return failure.lost or refusal(failure.code) is Refusal.AGAIN


class Watched:
    """An instance that we have started, while it comes up."""

    def __init__(self, aws: Aws, instance_id: str, patience: Patience, *, looks: Looks | None = None) -> None:
        self.id = instance_id
        self.patience = patience
        self._aws = aws
        self._looks = looks or Looks(aws)
        self._unknown = patience.at_most(NOT_FOUND_PATIENCE_S)

    def running(self, *, public: bool) -> dict[str, Any]:
        """Wait until it runs and has its address; returns it as EC2 describes it."""
        state = "unknown"
        for _look in self.patience.looks():
            instance = self.look()
            state = instance["State"]["Name"] if instance else state
            if instance and state == "running" and _address(instance, public=public):
                return instance
        raise MachineFailure(
            f"instance {self.id} did not run after {self.patience.seconds:.0f} seconds; it is {state}"
        )

    def look(self) -> dict[str, Any] | None:
        """The instance; None where EC2 does not know it yet. InstanceEnded if it has no future."""
        instance = None
        try:
            instance = self._looks.instance(self.id)
        except AwsFailure as failure:
            if not failure.not_found:
                raise
        if instance is None:
            if not self._unknown.left():
                raise MachineFailure(f"EC2 does not know instance {self.id}, which it has just started")
            return None
        if instance["State"]["Name"] not in {"pending", "running"}:
            raise self._ended(instance)
        return instance

    def _ended(self, instance: dict[str, Any]) -> InstanceEnded:
        reason = instance.get("StateReason") or {}
        code, text = reason.get("Code", ""), reason.get("Message", "")
        said = text or code or instance.get("StateTransitionReason") or "no reason is given"
        if code == _RECLAIMED:
            said += "; the spot capacity was taken back, so launch again, with the market on-demand"
        console = self._console()
        words = f"; the last words on its console: {console}" if console else ""
        return InstanceEnded(f"instance {self.id} is {instance['State']['Name']}: {said}{words}", reason=code)

    def _console(self) -> str:
        about = f"read the console of {self.id}"
        latest: Any
        for latest in ({"Latest": True}, {}):  # only some types have the latest
            with suppress(MachineFailure):
                answer = self._aws.call(
                    "get_console_output", about, attempts=_ATTEMPTS, InstanceId=self.id, **latest
                )
                if answer.get("Output"):
                    return "\n".join(answer["Output"].strip().splitlines()[-_CONSOLE_LINES:])
        return ""


def terminate(aws: Aws, instances: Sequence[dict[str, Any]]) -> None:
    """Have instances end for good; one that is gone is no trouble."""
    # What is going was asked to go before.
    staying = [one for one in instances if one["State"]["Name"] not in GOING]
    requests = [one["SpotInstanceRequestId"] for one in staying if one.get("SpotInstanceRequestId")]
    if requests:
        # Before its instance: a request of ours is for one instance, but who knows what AWS makes of it.
        with suppress(AwsFailure):
            aws.call(
                "cancel_spot_instance_requests",
                f"cancel {', '.join(requests)}",
                SpotInstanceRequestIds=requests,
            )
    for instance in staying:
        try:
            aws.call(
                "terminate_instances",
                f"terminate instance {instance['InstanceId']}",
                InstanceIds=[instance["InstanceId"]],
            )
        except AwsFailure as failure:
            if not failure.not_found:
                raise


def wait_terminated(aws: Aws, machine_id: str, patience: Patience) -> None:
    """Wait until no instance of a machine is left; StillUsed if that takes too long."""
    for _look in patience.looks():
        if not instances_of(aws, machine_id):
            return
    raise StillUsed(f"the instance of machine {machine_id} is not gone after {patience.seconds:.0f} seconds")


def _address(instance: dict[str, Any], *, public: bool) -> str | None:
    return instance.get("PublicIpAddress" if public else "PrivateIpAddress")
