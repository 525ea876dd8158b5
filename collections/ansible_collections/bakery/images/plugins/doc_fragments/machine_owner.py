# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that start a machine for somebody."""

from __future__ import annotations


class ModuleDocFragment:
    """What wire.OWNER_OPTIONS takes."""

    DOCUMENTATION = r"""
options:
  owner:
    description:
      - The process that the machine is for.
      - Once it is gone, M(bakery.images.container_sweep) removes the machine.
      - Without an owner a machine lives until O(ttl_s) has passed.
    type: dict
    suboptions:
      bake:
        description: What the process calls its work.
        type: str
        default: ''
      pid:
        description: Its process id.
        type: int
        required: true
      start:
        description: Its start time in clock ticks since boot (field 22 of C(/proc/PID/stat)).
        type: int
        required: true
      boot:
        description: >-
          The boot it runs in (C(/proc/sys/kernel/random/boot_id)), in a container with C(/) and the number of
          its namespace.
        type: str
        required: true
  ttl_s:
    description: How long a machine without owner lives, in seconds.
    type: int
    default: 86400
"""
