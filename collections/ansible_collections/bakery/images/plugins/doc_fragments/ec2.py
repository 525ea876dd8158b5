# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of the target ec2 have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The option ``region``, and the attributes of a module that does not say otherwise."""

    DOCUMENTATION = r"""
options:
  region:
    description:
      - The AWS region. By default the one that boto3 has (C(AWS_DEFAULT_REGION), the profile).
      - Credentials and endpoints are boto3's business as well (C(AWS_PROFILE), C(AWS_ENDPOINT_URL)).
    type: str
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  platform:
    platforms: posix
  action_group:
    support: full
    membership: [bakery.images.bakery]
requirements:
  - boto3
"""
