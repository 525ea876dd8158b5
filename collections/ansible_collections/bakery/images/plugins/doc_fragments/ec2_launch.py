# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a machine of the target ec2 is launched."""

from __future__ import annotations


class ModuleDocFragment:
    """The options ``volume`` and ``launch``."""

    DOCUMENTATION = r"""
options:
  volume:
    description: The root volume, where it shall differ from that of the image. Images of it inherit this.
    type: dict
    default: {}
    suboptions:
      size:
        description: Size in GiB, not less than in the image.
        type: int
      type:
        description: Volume type, such as V(gp3).
        type: str
      iops:
        description: Provisioned operations per second.
        type: int
      throughput:
        description: Provisioned throughput in MiB/s, for V(gp3).
        type: int
      encrypted:
        description: Whether it is encrypted.
        type: bool
      kms_key:
        description: Id, ARN or alias of the KMS key; the account's default one where it is left out.
        type: str
  launch:
    description:
      - Where and how an instance may be had.
      - All combinations of market, instance type and subnet are tried, in this order, until there is
        capacity and quota for one.
    type: dict
    default: {}
    suboptions:
      instance_types:
        description: Instance types; V(t3.small) or V(t4g.small), as the image's architecture demands.
        type: list
        elements: str
        default: []
      subnets:
        description: Ids of subnets of one VPC; those of the default VPC.
        type: list
        elements: str
        default: []
      market:
        description: Markets in order of preference.
        type: list
        elements: str
        choices: [on-demand, spot]
        default: [on-demand]
      security_groups:
        description:
          - Ids of security groups.
          - By default the machine has one of its own, for O(launch.caller_cidr).
        type: list
        elements: str
        default: []
      caller_cidr:
        description:
          - The network that ssh comes from, such as V(203.0.113.7/32), for the machine's own security group.
          - By default this host's address on the route to the subnet, which is right for
            O(launch.address=private) where no address translation is in between, and for a host with a
            public address.
          - V(checkip) asks C(https://checkip.amazonaws.com) for the address that the world sees.
          - Nobody is let in where O(launch.ssh.proxy_command) is given and this is not. That is enough for
            Session Manager; for an Instance Connect endpoint or a jump host write the network it is in.
        type: str
      address:
        description: Which address ssh connects to. With V(public) the instance is given one.
        type: str
        choices: [private, public]
        default: public
      instance_profile:
        description: Name or ARN of an instance profile for the instance.
        type: str
      ssh:
        description: How to log in.
        type: dict
        default: {}
        suboptions:
          user:
            description: The user, who needs sudo without a password unless it is V(root).
            type: str
            default: root
          port:
            description: Port of the instance's sshd.
            type: int
            default: 22
          proxy_command:
            description:
              - Shell command whose input and output lead to the instance's sshd; C(%h) is the id of the
                instance, C(%p) the port.
              - For example C(aws ssm start-session --target %h --document-name AWS-StartSSHSession
                --parameters portNumber=%p).
            type: str
      timeout_s:
        description: How long it may take until the machine can be used, in seconds.
        type: int
        default: 600
"""
