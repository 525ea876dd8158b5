# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""M(bakery.images.ec2_machine) without a Python of its own, where that makes no difference."""

from __future__ import annotations

from ansible.plugins.loader import connection_loader
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import load_for_forks
from ansible_collections.bakery.images.plugins.modules import ec2_machine
from ansible_collections.bakery.images.plugins.plugin_utils.in_worker import WorkerAction

# Whoever launches a machine goes on to work in it. This is imported by the process that forks a worker for
# every task: what it has loaded, no worker has to load again.
connection_loader.get("bakery.images.machine", class_only=True)
load_for_forks()


class ActionModule(WorkerAction):
    """See WorkerAction."""

    main = staticmethod(ec2_machine.main)
