"""EC2's calls about instances, where moto's answers are not EC2's."""

from __future__ import annotations

import base64
import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import DependencyViolationError, EC2ClientError, OperationNotPermitted4
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.responses import EC2Response
from moto.ec2.utils import random_spot_request_id
from moto.iam.exceptions import NotFoundException

from tests.ec2world.encryption import find_key
from tests.ec2world.images import DiskSnapshot, Image

if TYPE_CHECKING:
    from tests.ec2world.world import World

_USER_DATA_LIMIT = 16_384
_CONSOLE_LIMIT = 65_536
_BAD_KEY = (
    "Client.InvalidKMSKey.InvalidState",
    "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state",
)


class InstanceCalls(EC2Response):
    """Instances that are machines of the world's."""

    world: World

    def run_instances(self) -> ActionResult:
        asked = deepcopy(self.params)
        token = asked.pop("ClientToken", None)
        fingerprint = json.dumps(asked, sort_keys=True, default=str)
        known = self.world.tokens.get((self.region, "run_instances", token)) if token else None
        if known:
            return ActionResult(_same(known, fingerprint, token))
        image = self._image_to_launch()
        self._check_type(image)
        user_data = base64.b64decode(self.params.get("UserData") or "")
        if len(user_data) > _USER_DATA_LIMIT:
            raise EC2ClientError("InvalidParameterValue", "User data is limited to 16384 bytes")
        self._choose_subnet()
        self.params["BlockDeviceMappings"] = mappings = _merged(image, self.params)
        self.params["MinCount"] = self.params.get("MaxCount", self.params.get("MinCount", 1))
        result = self._accepted()
        reservation: Any = result.result
        for instance in reservation.instances:
            self._complete(instance, image, mappings)
            self._bring_up(instance, image, user_data)
        if token:
            self.world.tokens[self.region, "run_instances", token] = (fingerprint, reservation)
        return result

    def _accepted(self) -> ActionResult:
        """moto's instances; what IAM does not know is called by EC2's name for it."""
        try:
            return super().run_instances()
        except NotFoundException as error:
            profile = self.params.get("IamInstanceProfile") or {}
            name, value = next(iter(profile.items()), ("Name", ""))
            raise EC2ClientError(
                "InvalidParameterValue",
                f"Value ({value}) for parameter iamInstanceProfile.{name.lower()} is invalid. "
                f"Invalid IAM Instance Profile {name.lower()}",
            ) from error

    def _image_to_launch(self) -> Image:
        image_id = str(self.params.get("ImageId") or "")
        if image_id.startswith("resolve:ssm:"):
            image_id = self.world.parameter(self.region, image_id.removeprefix("resolve:ssm:"))
            self.params["ImageId"] = image_id
        if not re.fullmatch(r"ami-[0-9a-f]{8,17}", image_id):
            raise EC2ClientError("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
        image = self.ec2_backend.amis.get(image_id)
        if image is None or not image.is_visible_to(self.current_account):
            raise EC2ClientError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        if image.state != "available":
            raise EC2ClientError(
                "InvalidAMIID.Unavailable", f"The image ID '{image_id}' is not available: {image.state}"
            )
        return image

    def _check_type(self, image: Image) -> None:
        name = self.params.setdefault("InstanceType", "m1.small")
        known = INSTANCE_TYPES.get(name)
        if known is None:
            raise EC2ClientError("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
        runs = known.get("ProcessorInfo", {}).get("SupportedArchitectures", [])
        if image.architecture not in runs:
            raise EC2ClientError(
                "InvalidParameterValue",
                f"The architecture '{','.join(runs)}' of the specified instance type does not match the "
                f"architecture '{image.architecture}' of the specified AMI. Specify an instance type and an "
                "AMI that have matching architectures, and try again.",
            )

    def _choose_subnet(self) -> None:
        """Without a subnet an instance goes to a default one, of the zone that is asked for if one is."""
        if self.params.get("SubnetId") or self.params.get("NetworkInterfaces"):
            return
        zone = (self.params.get("Placement") or {}).get("AvailabilityZone")
        subnets = self.ec2_backend.get_default_subnets()
        fitting = [subnet for name, subnet in sorted(subnets.items()) if zone in (None, name)]
        if not fitting:
            raise EC2ClientError("MissingInput", "No subnets found for the default VPC. Please specify one.")
        self.params["SubnetId"] = fitting[0].id

    def _complete(self, instance: Any, image: Image, mappings: list[dict[str, Any]]) -> None:
        """Give a new instance what moto leaves out."""
        tags = self._parse_tag_specification().get("network-interface", {})
        asked = self.params.get("NetworkInterfaces") or [{}]
        for index, nic in instance.nics.items():
            nic.add_tags(tags)
            wanted = next((item for item in asked if int(item.get("DeviceIndex", 0)) == index), {})
            nic.delete_on_termination = bool(
                wanted.get("DeleteOnTermination", "NetworkInterfaceId" not in wanted)
            )
            # There is no other way to a machine than its own address: that is its public one, too.
            nic.public_ip = nic.private_ip_address if nic.public_ip_auto_assign else None
            nic.public_ip_auto_assign = False
        for mapping in mappings:
            device = instance.block_device_mapping.get(mapping["DeviceName"])
            if device is not None:
                volume = self.ec2_backend.volumes[device.volume_id]
                volume.iops = mapping["Ebs"].get("Iops", volume.iops)
                default = 125 if volume.volume_type == "gp3" else None
                volume.throughput = mapping["Ebs"].get("Throughput", default)
                if volume.encrypted:
                    key = find_key(self.ec2_backend, volume.kms_key_id)
                    volume.kms_key_id = key or volume.kms_key_id
        if not instance.security_groups:
            instance.security_groups = list(instance.nics[0].group_set)
        if instance.lifecycle == "spot":
            instance.spot_instance_request_id = random_spot_request_id()
        instance.ena_support = image.hardware.ena
        instance.boot_mode = image.boot_mode
        instance.platform_details = image.hardware.platform_details
        image.last_launched = utcnow()

    def _bring_up(self, instance: Any, image: Image, user_data: bytes) -> None:
        volumes = [self.ec2_backend.volumes[d.volume_id] for d in instance.block_device_mapping.values()]
        if any(v.encrypted and find_key(self.ec2_backend, v.kms_key_id) is None for v in volumes):
            self.world.fleet.refuse(instance, _BAD_KEY)
            return
        root = instance.block_device_mapping[image.root_device_name]
        snapshot = self.ec2_backend.snapshots[self.ec2_backend.volumes[root.volume_id].snapshot_id]
        assert isinstance(snapshot, DiskSnapshot)
        assert snapshot.disk is not None
        self.world.fleet.launch(instance, snapshot.disk, user_data)

    def stop_instances(self) -> ActionResult:
        changes = []
        for instance in self._named():
            before = _state(instance)
            if instance.lifecycle == "spot":
                raise EC2ClientError(
                    "UnsupportedOperation",
                    f"You can't stop the Spot Instance '{instance.id}' because it is associated with a "
                    "one-time Spot Instance request. You can only stop Spot Instances associated with "
                    "persistent Spot Instance requests.",
                )
            if before["Name"] not in ("running", "stopping", "stopped"):
                raise _wrong_state(instance, "stopped")
            if before["Name"] == "running":
                self.world.fleet.stop(instance)
            changes.append(_change(instance, before))
        return ActionResult({"StoppingInstances": changes})

    def start_instances(self) -> ActionResult:
        changes = []
        for instance in self._named():
            before = _state(instance)
            if before["Name"] not in ("running", "pending", "stopped"):
                raise _wrong_state(instance, "started")
            if before["Name"] == "stopped":
                self.world.fleet.start(instance)
            changes.append(_change(instance, before))
        return ActionResult({"StartingInstances": changes})

    def reboot_instances(self) -> EmptyResult:
        for instance in self._named():
            if instance.state != "running":
                raise _wrong_state(instance, "rebooted")
            self.world.fleet.reboot(instance)
        return EmptyResult()

    def terminate_instances(self) -> ActionResult:
        changes = []
        instances = self._named()
        for instance in instances:
            if instance.disable_api_termination is True:
                raise OperationNotPermitted4(instance.id)
        for instance in instances:
            before = _state(instance)
            if before["Name"] not in ("shutting-down", "terminated"):
                self.world.fleet.terminate(instance)
            changes.append(_change(instance, before))
        return ActionResult({"TerminatingInstances": changes})

    def cancel_spot_instance_requests(self) -> ActionResult:
        """A request that is cancelled leaves its instance alone."""
        self.error_on_dryrun()
        known = {getattr(one, "spot_instance_request_id", None) for one in self.ec2_backend.all_instances()}
        asked = self._get_param("SpotInstanceRequestIds", [])
        for request in asked:
            if request not in known:
                raise EC2ClientError(
                    "InvalidSpotInstanceRequestID.NotFound",
                    f"The spot instance request ID '{request}' does not exist",
                )
        cancelled = [{"SpotInstanceRequestId": request, "State": "cancelled"} for request in asked]
        return ActionResult({"CancelledSpotInstanceRequests": cancelled})

    def get_console_output(self) -> ActionResult:
        (instance,) = self.ec2_backend.get_multi_instances_by_id([self._get_param("InstanceId")])
        self.error_on_dryrun()
        machine = self.world.fleet.machines.get(instance.id)
        text = machine.console[-_CONSOLE_LIMIT:] if machine else ""
        output = Base64EncodedString.from_raw_string(text)
        return ActionResult({"InstanceId": instance.id, "Timestamp": utcnow(), "Output": output})

    def authorize_security_group_ingress(self) -> ActionResult:
        return self._admitting(super().authorize_security_group_ingress())

    def revoke_security_group_ingress(self) -> ActionResult:
        return self._admitting(super().revoke_security_group_ingress())

    def modify_instance_attribute(self) -> ActionResult:
        return self._admitting(super().modify_instance_attribute())

    def _admitting(self, result: ActionResult) -> ActionResult:
        self.world.fleet.admit(self.ec2_backend.all_instances())
        return result

    def delete_security_group(self) -> ActionResult:
        group_id, name = self._get_param("GroupId"), self._get_param("GroupName")
        used = {group.id for nic in self.ec2_backend.enis.values() for group in nic.group_set}
        group = self.ec2_backend.get_security_group_by_name_or_id(group_id or name)
        if group and group.id in used:
            raise DependencyViolationError(f"resource {group.id} has a dependent object")
        return super().delete_security_group()

    def _named(self) -> list[Any]:
        self.error_on_dryrun()
        found: list[Any] = self.ec2_backend.get_multi_instances_by_id(self._get_param("InstanceIds", []))
        return found


def _merged(image: Image, params: dict[str, Any]) -> list[dict[str, Any]]:
    """The mappings of a launch: the image's, changed by those of the request, device by device."""
    merged = {mapping["DeviceName"]: deepcopy(mapping) for mapping in image.mappings}
    for wanted in params.get("BlockDeviceMappings") or []:
        name = wanted["DeviceName"]
        if "NoDevice" in wanted:
            merged.pop(name, None)
            continue
        own = merged.setdefault(name, {"DeviceName": name, "Ebs": {"DeleteOnTermination": True}})
        ebs = wanted.get("Ebs") or {}
        snapshot_size = own["Ebs"].get("VolumeSize", 0)
        if "SnapshotId" in own["Ebs"] and ebs.get("VolumeSize", snapshot_size) < snapshot_size:
            raise EC2ClientError(
                "InvalidBlockDeviceMapping",
                f"Volume of size {ebs['VolumeSize']}GB is smaller than snapshot "
                f"'{own['Ebs']['SnapshotId']}', expect size >= {snapshot_size}GB",
            )
        if own["Ebs"].get("VolumeType") != ebs.get("VolumeType", own["Ebs"].get("VolumeType")):
            own["Ebs"].pop("Iops", None)
            own["Ebs"].pop("Throughput", None)
        own["Ebs"].update(ebs)
    if image.root_device_name not in merged:
        raise EC2ClientError("InvalidBlockDeviceMapping", "The root device is not specified.")
    return list(merged.values())


def _same(known: tuple[str, Any], fingerprint: str, token: str) -> Any:
    if known[0] != fingerprint:
        raise EC2ClientError(
            "IdempotentParameterMismatch",
            f"Arguments on this idempotent request are inconsistent with arguments used in previous "
            f"request(s) with the client token {token}.",
        )
    return known[1]


def _state(instance: Any) -> dict[str, Any]:
    return {"Name": instance.state, "Code": instance.state_code}


def _change(instance: Any, before: dict[str, Any]) -> dict[str, Any]:
    return {"InstanceId": instance.id, "PreviousState": before, "CurrentState": _state(instance)}


def _wrong_state(instance: Any, done: str) -> EC2ClientError:
    return EC2ClientError(
        "IncorrectInstanceState",
        f"The instance '{instance.id}' is in the state '{instance.state}' from which it cannot be {done}.",
    )
