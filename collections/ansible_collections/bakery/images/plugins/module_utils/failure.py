# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the machine modules: its message is a sentence for the user."""

from __future__ import annotations


class MachineFailure(Exception):
    """A machine cannot be made, reached, frozen or removed; the message is a sentence with a next step."""
