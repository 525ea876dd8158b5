# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that work on a bakery's home have in common (wire.run_module)."""

from __future__ import annotations


class ModuleDocFragment:
    """The option ``home``, and the attributes of a module that does not say otherwise."""

    DOCUMENTATION = r"""
options:
  home:
    description: Directory of all that bakery keeps; each target kind has one directory below it.
    type: path
    required: true
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
"""

    # For the modules of the container target.
    CONTAINER = r"""
attributes:
  platform:
    platforms: linux
requirements:
  - root
"""
