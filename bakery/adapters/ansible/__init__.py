"""The door to Ansible: one ``ansible-playbook`` process per run, driven through ansible-runner.

Nothing here imports ansible or ansible-runner before a run starts: an unchanged bake must not pay for them.
"""

from __future__ import annotations

from bakery.adapters.ansible.places import Places, core_version, known_targets
from bakery.adapters.ansible.private_dir import sweep_private_dirs
from bakery.adapters.ansible.runner import AnsibleRunner

__all__ = ["AnsibleRunner", "Places", "core_version", "known_targets", "sweep_private_dirs"]
