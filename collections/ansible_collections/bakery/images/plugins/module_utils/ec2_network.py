# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a machine of the target ec2 is put in the network, and the security group that lets in its maker."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import (
    Aws,
    AwsFailure,
    Patience,
    known_by_now,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_instance import StillUsed
from ansible_collections.bakery.images.plugins.module_utils.ec2_launch_plan import Subnet
from ansible_collections.bakery.images.plugins.module_utils.ec2_request import PRIVATE, Login
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

# The value of caller_cidr that asks the service below, which answers with the address it is asked from.
CHECKIP = "checkip"
_CHECKIP_URL = "https://checkip.amazonaws.com"
_CHECKIP_S = 10
_DISCARD_PORT = 9
_USED = "DependencyViolation"


def find_subnets(aws: Aws, wanted: Sequence[str]) -> tuple[Subnet, ...]:
    """The subnets to launch in, in the order wanted, or those of the default VPC by zone."""
    if wanted:
        arguments: dict[str, Any] = {"SubnetIds": list(wanted)}
    else:
        arguments = {"Filters": [{"Name": "default-for-az", "Values": ["true"]}]}
    about = f"find the subnets {', '.join(wanted)}" if wanted else "find the default subnets"
    found = [
        Subnet(id=subnet["SubnetId"], zone=subnet["AvailabilityZone"], vpc=subnet["VpcId"])
        for page in aws.pages("describe_subnets", about, **arguments)
        for subnet in page["Subnets"]
    ]
    if not found:
        raise MachineFailure(f"{aws.region} has no default subnets; write launch.subnets")
    if len({subnet.vpc for subnet in found}) > 1:
        raise MachineFailure(f"the subnets {', '.join(wanted)} are in several VPCs; name those of one")
    if wanted:
        return tuple(sorted(found, key=lambda subnet: list(wanted).index(subnet.id)))
    return tuple(sorted(found, key=lambda subnet: subnet.zone))


def caller_cidr(aws: Aws, login: Login, configured: str | None, *, subnet: Subnet) -> str | None:
    """The network that ssh comes from; None where it comes through a proxy and nothing needs to be let in.

    MachineFailure if that cannot be known. What the world sees of this host is known to nobody on it.
    """
    if configured and configured != CHECKIP:
        return _checked(configured)
    if login.proxy_command:
        return None
    if configured == CHECKIP:
        return _seen_by_checkip()
    if login.address == PRIVATE:
        return _source_towards(_first_address(aws, subnet))
    source = _source_towards("192.0.2.1")  # any address outside: nothing is sent
    if ipaddress.ip_network(source).is_global:
        return source
    raise MachineFailure(
        "the security group must let in this host, whose public address is not known here; write "
        f"launch.caller_cidr (a network such as 203.0.113.7/32, or '{CHECKIP}' to ask {_CHECKIP_URL}), "
        "launch.security_groups, or launch.ssh.proxy_command"
    )


def make_group(aws: Aws, tags: Mapping[str, str], *, vpc: str, name: str) -> str:
    """Make a security group that lets nobody in; returns its id."""
    made = aws.call(
        "create_security_group",
        f"make the security group {name}",
        GroupName=name,
        Description="Lets bakery reach one throwaway machine",
        VpcId=vpc,
        TagSpecifications=ec2_tags.specifications(tags, ["security-group"]),
    )
    return str(made["GroupId"])


def let_in(aws: Aws, group: str, *, cidr: str, port: int) -> None:
    """Have a new group let in ssh from one network."""
    ranges = {"Ipv6Ranges": [{"CidrIpv6": cidr}]} if ":" in cidr else {"IpRanges": [{"CidrIp": cidr}]}
    permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **ranges}
    about = f"let {cidr} reach port {port} in {group}"

    def authorize() -> None:
        try:
            aws.call("authorize_security_group_ingress", about, GroupId=group, IpPermissions=[permission])
        except AwsFailure as failure:
            if failure.code != "InvalidPermission.Duplicate":  # the answer to our first request was lost
                raise

    known_by_now(authorize)


def groups_of(aws: Aws, machine_id: str) -> list[str]:
    """The security groups that were made for a machine."""
    return [
        group["GroupId"]
        for page in aws.pages(
            "describe_security_groups",
            f"find the security group of machine {machine_id}",
            Filters=[ec2_tags.having(ec2_tags.MACHINE, machine_id)],
        )
        for group in page["SecurityGroups"]
    ]


def delete_group(aws: Aws, group: str, patience: Patience) -> None:
    """Delete a group as soon as nothing uses it any more; StillUsed if that takes too long."""

    def delete() -> None:
        try:
            aws.call("delete_security_group", f"delete the security group {group}", GroupId=group)
        except AwsFailure as failure:
            if not failure.not_found:
                raise

    try:
        patience.until_done(delete, worth_again=lambda failure: failure.code == _USED)
    except AwsFailure as failure:
        if failure.code != _USED:
            raise
        raise StillUsed(
            f"the security group {group} is still used after {patience.seconds:.0f} seconds"
        ) from failure


def _checked(configured: str) -> str:
    try:
        network = ipaddress.ip_network(configured, strict=False)
    except ValueError as error:
        raise MachineFailure(
            f"launch.caller_cidr: {error}; write a network such as 203.0.113.7/32"
        ) from error
    if not network.prefixlen:
        raise MachineFailure(
            f"launch.caller_cidr: {configured} is the whole world; write the network that ssh comes from, "
            "or launch.security_groups"
        )
    return str(network)


def _seen_by_checkip() -> str:
    from ansible.module_utils.urls import open_url  # few need it, and it imports much

    try:
        text = open_url(_CHECKIP_URL, timeout=_CHECKIP_S).read(100).decode("ascii", errors="replace").strip()
        return str(ipaddress.ip_network(text))
    except (OSError, ValueError) as error:
        raise MachineFailure(
            f"{_CHECKIP_URL} does not tell this host's address ({error}); write launch.caller_cidr"
        ) from error


def _first_address(aws: Aws, subnet: Subnet) -> str:
    answer = aws.call("describe_subnets", f"find the subnet {subnet.id}", SubnetIds=[subnet.id])
    network = ipaddress.ip_network(answer["Subnets"][0]["CidrBlock"])
    return str(network.network_address + 1)


def _source_towards(address: str) -> str:
    """The address of this host that packets to ``address`` have; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, _DISCARD_PORT))
        except OSError as error:
            raise MachineFailure(
                f"this host has no route to {address} ({error.strerror}); write launch.caller_cidr"
            ) from error
        return f"{probe.getsockname()[0]}/32"
