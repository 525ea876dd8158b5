"""The competitors as they are shown."""

from __future__ import annotations

BAKERY = "bakery"
WITHOUT_EXECUTOR = "bakery, executor off"
MITOGEN = "Mitogen, podman commit"
PODMAN = "podman connection, podman commit"
BENDER = "ansible-bender"
PACKER = "Packer, docker builder"
FLOOR = "Containerfile, buildah bud"
# Over ssh, where no image is made.
IN_CONTAINER = "bakery, in its container"
PLAIN_SSH = "ansible-playbook, pipelining"
PACKER_SSH = "Packer, ansible provisioner"
# In a world of EC2.
PACKER_AMI = "Packer, amazon-ebs builder"
