# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""M(bakery.images.ec2_contents) without a Python of its own, where that makes no difference."""

from __future__ import annotations

from ansible_collections.bakery.images.plugins.modules import ec2_contents
from ansible_collections.bakery.images.plugins.plugin_utils.in_worker import WorkerAction


class ActionModule(WorkerAction):
    """See WorkerAction."""

    main = staticmethod(ec2_contents.main)
