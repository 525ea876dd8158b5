# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions of the machine modules: their messages are sentences for the user."""

from __future__ import annotations


class MachineFailure(Exception):
    """A machine cannot be made, reached, frozen or removed; the message is a sentence with a next step."""


class BaseGone(MachineFailure):
    """The image that a base was found to be is not there: whoever remembers it can look it up again."""
