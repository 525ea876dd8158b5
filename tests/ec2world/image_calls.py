"""EC2's calls about images and snapshots, where moto's answers are not EC2's."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import AmiBackend
from moto.ec2.responses import EC2Response

from tests.ec2world.encryption import AWS_MANAGED, default_key, find_key
from tests.ec2world.images import NAME, DiskSnapshot, Image, Outcome, SourceVolume

if TYPE_CHECKING:
    from tests.ec2world.world import World

_COPIED_VOLUME = "vol-ffffffff"
_CAPTURED_FROM = ("running", "stopped", "stopping")


class ImageCalls(EC2Response):
    """Images that hold what was on a machine's disk."""

    world: World

    def create_image(self) -> ActionResult:
        params = self.params
        (instance,) = self.ec2_backend.get_multi_instances_by_id([params["InstanceId"]])
        self._check_name(params["Name"])
        if instance.state not in _CAPTURED_FROM[:2]:
            raise EC2ClientError(
                "IncorrectState", f"The instance '{instance.id}' is in the state '{instance.state}'"
            )
        tags = self._tags("image", "snapshot")
        changes = {item["DeviceName"]: item for item in params.get("BlockDeviceMappings") or []}
        for change in changes.values():
            if set(change.get("Ebs") or {}) - {"DeleteOnTermination"}:
                raise EC2ClientError(
                    "InvalidBlockDeviceMapping",
                    f"You cannot change the volume of the device {change['DeviceName']} of the instance "
                    "but for DeleteOnTermination",
                )
        self.error_on_dryrun()
        base = self.world.known_images[instance.image_id]
        outcome = Outcome.after(self.world.delays.image_s)
        image = Image(
            self.ec2_backend,
            params["Name"],
            base.hardware,
            outcome,
            description=params.get("Description", ""),
        )
        image.root_device_name = instance.root_device_name
        image.source_instance = instance.id
        image.source_image = (base.id, self.region)
        image.imds = base.imds
        self.world.remember(image)
        for device, attached in instance.block_device_mapping.items():
            if "NoDevice" in changes.get(device, {}):
                continue
            volume = self.ec2_backend.volumes[attached.volume_id]
            snapshot = DiskSnapshot(
                self.ec2_backend,
                SourceVolume(volume.id, volume.size),
                outcome,
                description=f"Created by CreateImage({instance.id}) for {image.id}",
                encrypted=volume.encrypted,
                kms_key_id=volume.kms_key_id if volume.encrypted else None,
                from_ami=image.id,
            )
            if device == instance.root_device_name:
                snapshot.disk = self._freeze(instance, snapshot.id)
            snapshot.add_tags(tags["snapshot"])
            deletes = attached.delete_on_termination
            deletes = (changes.get(device, {}).get("Ebs") or {}).get("DeleteOnTermination", deletes)
            image.mappings.append(_mapping(device, volume, snapshot, deletes=deletes))
        image.add_tags(tags["image"])
        return ActionResult({"ImageId": image.id})

    def _freeze(self, instance: Any, name: str) -> Any:
        """The instance's disk as it is; one that runs is rebooted for it, unless that is not wanted."""
        machine = self.world.fleet.machines[instance.id]
        reboots = machine.is_running and not self.params.get("NoReboot", False)
        if reboots:
            machine.shut_down()
        disk = machine.freeze(f"{self.world.layers}/{name}")
        if reboots:
            self.world.fleet.reboot(instance)
        return disk

    def copy_image(self) -> ActionResult:
        params = deepcopy(self.params)
        token = params.pop("ClientToken", None)
        fingerprint = json.dumps(params, sort_keys=True, default=str)
        known = self.world.tokens.get((self.region, "copy_image", token)) if token else None
        if known:
            if known[0] != fingerprint:
                raise EC2ClientError(
                    "IdempotentParameterMismatch", f"The client token {token} was used for another request."
                )
            return ActionResult({"ImageId": known[1]})
        source = self._source(params["SourceImageId"], params["SourceRegion"])
        self._check_name(params["Name"])
        tags = self._tags("image", "snapshot")
        self.error_on_dryrun()
        image = self._copied(source, params)
        if params.get("CopyImageTags"):
            image.add_tags({key: value for key, value in source.tags.items() if not key.startswith("aws:")})
        image.add_tags(tags["image"])
        for snapshot_id in image.snapshot_ids:
            self.ec2_backend.snapshots[snapshot_id].add_tags(tags["snapshot"])
        if token:
            self.world.tokens[self.region, "copy_image", token] = (fingerprint, image.id)
        return ActionResult({"ImageId": image.id})

    def _source(self, image_id: str, region: str) -> Image:
        found: Image | None = ec2_backends[self.current_account][region].amis.get(image_id)
        if found is None or not found.is_visible_to(self.current_account):
            raise EC2ClientError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        if found.state != "available":
            raise EC2ClientError("InvalidAMIID.Unavailable", f"The image '{image_id}' is {found.state}")
        return found

    def _copied(self, source: Image, params: dict[str, Any]) -> Image:
        wants_encryption, key_name = bool(params.get("Encrypted")), params.get("KmsKeyId")
        if key_name and not wants_encryption:
            raise EC2ClientError(
                "InvalidParameterDependency",
                "The parameter KmsKeyId requires the parameter Encrypted to be set.",
            )
        key = find_key(self.ec2_backend, key_name)
        failure = "" if key else f"The KMS key '{key_name}' does not exist or cannot be used"
        outcome = Outcome.after(self.world.delays.copy_s, failure=failure)
        image = Image(
            self.ec2_backend,
            params["Name"],
            source.hardware,
            outcome,
            description=params.get("Description", source.description),
        )
        image.root_device_name = source.root_device_name
        image.source_image = (source.id, params["SourceRegion"])
        image.imds = source.imds
        self.world.remember(image)
        for mapping in source.mappings:
            original = source.ec2_backend.snapshots[mapping["Ebs"]["SnapshotId"]]
            encrypted = wants_encryption or original.encrypted or self.ec2_backend.ebs_encryption_by_default
            snapshot = DiskSnapshot(
                self.ec2_backend,
                SourceVolume(_COPIED_VOLUME, original.volume_size),
                outcome,
                description=f"Copied for DestinationAmi {image.id} from SourceAmi {source.id}",
                encrypted=encrypted,
                kms_key_id=key if encrypted else None,
                from_ami=image.id,
                disk=original.disk,
            )
            own = deepcopy(mapping)
            own["Ebs"] |= {"SnapshotId": snapshot.id, "Encrypted": encrypted}
            image.mappings.append(own)
        return image

    def register_image(self) -> ActionResult:
        params = self.params
        self._check_name(params["Name"])
        tags = self._tags("image", "snapshot")
        self.error_on_dryrun()
        base = self.world.known_images[self.world.base_image].hardware
        image = Image(
            self.ec2_backend, params["Name"], base, Outcome(), description=params.get("Description", "")
        )
        image.root_device_name = params.get("RootDeviceName", "/dev/sda1")
        image.mappings = deepcopy(params.get("BlockDeviceMappings") or [])
        self.world.remember(image)
        for snapshot_id in image.snapshot_ids:
            self.ec2_backend.get_snapshot(snapshot_id).from_ami = image.id
        image.add_tags(tags["image"])
        return ActionResult({"ImageId": image.id})

    def describe_images(self) -> ActionResult:
        self.error_on_dryrun()
        account = self.current_account
        ids = self._get_param("ImageIds", [])
        found = [image for image in self.ec2_backend.amis.values() if image.is_visible_to(account)]
        if ids:
            gone = set(ids) - {image.id for image in found} - set(self.ec2_backend.deleted_amis)
            if gone:
                raise EC2ClientError(
                    "InvalidAMIID.NotFound", f"The image id '[{', '.join(sorted(gone))}]' does not exist"
                )
            found = [image for image in found if image.id in ids]
        owners = [account if owner == "self" else owner for owner in self._get_param("Owners", [])]
        if owners:
            found = [image for image in found if {image.owner_id, image.owner_alias} & set(owners)]
        for name, patterns in self._filters_from_querystring().items():
            try:
                found = [image for image in found if image.matches(name, list(patterns))]
            except KeyError:
                raise EC2ClientError("InvalidParameterValue", f"The filter '{name}' is invalid") from None
        return ActionResult({"Images": [image.described() for image in found]})

    def describe_snapshots(self) -> ActionResult:
        owners = [self.current_account if o == "self" else o for o in self._get_param("OwnerIds", [])]
        result = super().describe_snapshots()
        found: Any = result.result
        if owners:
            found["Snapshots"] = [s for s in found["Snapshots"] if s.owner_id in owners]
        return ActionResult(found)

    def deregister_image(self) -> ActionResult:
        image = self._own(self._get_param("ImageId"))
        if image.protected:
            raise EC2ClientError(
                "OperationNotPermitted", f"The image '{image.id}' is protected from deregistration."
            )
        self.error_on_dryrun()
        AmiBackend.deregister_image(self.ec2_backend, image.id)
        self.ec2_backend.tags.pop(image.id, None)
        results = []
        if self._get_param("DeleteAssociatedSnapshots", False):
            for snapshot_id in image.snapshot_ids:
                self.ec2_backend.delete_snapshot(snapshot_id)
                self.ec2_backend.tags.pop(snapshot_id, None)
                results.append({"SnapshotId": snapshot_id, "ReturnCode": "success"})
        return ActionResult({"Return": True, "DeleteSnapshotResults": results})

    def delete_snapshot(self) -> ActionResult:
        result = super().delete_snapshot()
        self.ec2_backend.tags.pop(self._get_param("SnapshotId"), None)
        return result

    def modify_image_attribute(self) -> EmptyResult:
        image = self._own(self._get_param("ImageId"))
        if image.state != "available":
            raise EC2ClientError("InvalidAMIID.Unavailable", f"The image '{image.id}' is {image.state}")
        add, remove = self._permissions()
        self.ec2_backend.validate_permission_targets([*add, *remove])
        if add:
            for snapshot_id in image.snapshot_ids:
                self._refuse_default_key(self.ec2_backend.snapshots[snapshot_id])
        self.error_on_dryrun()
        image.launch_permissions = [item for item in image.launch_permissions if item not in remove]
        image.launch_permissions += [item for item in add if item not in image.launch_permissions]
        if "Description" in self.params:
            image.description = self.params["Description"].get("Value", "")
        if "ImdsSupport" in self.params:
            image.imds = self.params["ImdsSupport"]["Value"]
        return EmptyResult()

    def _permissions(self) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        wanted = self.params.get("LaunchPermission") or {}
        add, remove = list(wanted.get("Add") or []), list(wanted.get("Remove") or [])
        kinds = {
            "UserIds": "UserId",
            "UserGroups": "Group",
            "OrganizationArns": "OrganizationArn",
            "OrganizationalUnitArns": "OrganizationalUnitArn",
        }
        listed = [{kind: value} for name, kind in kinds.items() for value in self.params.get(name) or []]
        (remove if self.params.get("OperationType") == "remove" else add).extend(listed)
        return add, remove

    def modify_snapshot_attribute(self) -> EmptyResult:
        snapshot = self.ec2_backend.get_snapshot(self._get_param("SnapshotId"))
        wanted = self.params.get("CreateVolumePermission") or {}
        add, remove = wanted.get("Add") or [], wanted.get("Remove") or []
        if add or self._get_param("OperationType") == "add":
            self._refuse_default_key(snapshot)
        self.error_on_dryrun()
        for change, apply in (
            (add, self.ec2_backend.add_create_volume_permission),
            (remove, self.ec2_backend.remove_create_volume_permission),
        ):
            if change:
                users = [item["UserId"] for item in change if "UserId" in item]
                apply(snapshot.id, user_ids=users, groups=[i["Group"] for i in change if "Group" in i])
        return super().modify_snapshot_attribute() if not wanted else EmptyResult()

    def _refuse_default_key(self, snapshot: Any) -> None:
        if snapshot.encrypted and snapshot.kms_key_id == default_key(self.ec2_backend):
            raise EC2ClientError(
                "InvalidParameter",
                f"Snapshot {snapshot.id} is encrypted with the AWS managed key of this account and cannot be "
                "shared",
            )

    def get_ebs_default_kms_key_id(self) -> ActionResult:
        """Nobody changes it here."""
        self.error_on_dryrun()
        return ActionResult({"KmsKeyId": AWS_MANAGED})

    def describe_image_attribute(self) -> ActionResult:
        image = self._own(self._get_param("ImageId"))
        name = self._get_param("Attribute")
        answers: dict[str, tuple[str, Any]] = {
            "launchPermission": ("LaunchPermissions", image.launch_permissions),
            "description": ("Description", {"Value": image.description}),
            "bootMode": ("BootMode", {"Value": image.boot_mode}),
            "imdsSupport": ("ImdsSupport", {"Value": image.imds}),
            "tpmSupport": ("TpmSupport", {"Value": image.hardware.tpm}),
            "sriovNetSupport": ("SriovNetSupport", {"Value": "simple"}),
            "deregistrationProtection": (
                "DeregistrationProtection",
                {"Value": image.described()["DeregistrationProtection"]},
            ),
        }
        if name not in answers:
            raise EC2ClientError("InvalidRequest", f"This world does not know the attribute '{name}'")
        key, value = answers[name]
        return ActionResult({"ImageId": image.id, key: value})

    def enable_image_deprecation(self) -> ActionResult:
        image = self._own(self._get_param("ImageId"))
        wanted = self._get_param("DeprecateAt")
        when = wanted if wanted.tzinfo else wanted.replace(tzinfo=UTC)
        if when <= utcnow().replace(tzinfo=UTC):
            raise EC2ClientError("InvalidParameterValue", "DeprecateAt must be in the future")
        self.error_on_dryrun()
        image.deprecation_time = when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:00.000Z")
        return ActionResult({"Return": True})

    def disable_image_deprecation(self) -> ActionResult:
        image = self._own(self._get_param("ImageId"))
        self.error_on_dryrun()
        image.deprecation_time = None
        return ActionResult({"Return": True})

    def enable_image_deregistration_protection(self) -> ActionResult:
        image = self._own(self._get_param("ImageId"))
        self.error_on_dryrun()
        image.protected = True
        return ActionResult({"Return": "enabled-without-cooldown"})

    def disable_image_deregistration_protection(self) -> ActionResult:
        image = self._own(self._get_param("ImageId"))
        self.error_on_dryrun()
        image.protected = False
        return ActionResult({"Return": "disabled"})

    def _own(self, image_id: str) -> Image:
        found: Image | None = self.ec2_backend.amis.get(image_id)
        if found is None:
            code = "Unavailable" if image_id in self.ec2_backend.deleted_amis else "NotFound"
            raise EC2ClientError(f"InvalidAMIID.{code}", f"The image id '[{image_id}]' does not exist")
        if found.owner_id != self.current_account:
            raise EC2ClientError("AuthFailure", f"Not authorized for image:{image_id}")
        return found

    def _check_name(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise EC2ClientError(
                "InvalidAMIName.Malformed",
                "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, "
                "'(', ')', '.', '-', '/' and '_'",
            )
        for image in self.ec2_backend.amis.values():
            if image.name == name and image.owner_id == self.current_account:
                raise EC2ClientError(
                    "InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {image.id}"
                )

    def _tags(self, *kinds: str) -> dict[str, dict[str, str]]:
        given = self._parse_tag_specification()
        for kind in given:
            if kind not in kinds:
                raise EC2ClientError(
                    "InvalidParameterValue",
                    f"'{kind}' is not a valid taggable resource type for this operation.",
                )
        return {kind: dict(given.get(kind, {})) for kind in kinds}


def _mapping(device: str, volume: Any, snapshot: DiskSnapshot, *, deletes: bool) -> dict[str, Any]:
    ebs = {
        "SnapshotId": snapshot.id,
        "VolumeSize": volume.size,
        "VolumeType": volume.volume_type,
        "DeleteOnTermination": bool(deletes),
        "Encrypted": volume.encrypted,
        "Iops": volume.iops,
        "Throughput": volume.throughput,
    }
    return {"DeviceName": device, "Ebs": {name: value for name, value in ebs.items() if value is not None}}
