#!/usr/bin/python
# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run testinfra checks against a machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: testinfra
author: the bakery contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Run testinfra checks against a machine
description:
  - Runs pytest with testinfra in a process of its own, each command of a check in the machine.
  - Reports how the checks went; failing checks do not fail the task.
  - Finding no check in O(checks) counts as a failed check, and so does a machine that ends while they run.
  - Nothing is written beside the checks (no cache, no compiled Python).
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
  platform:
    platforms: linux
  action_group:
    support: full
    membership: [bakery.images.bakery]
requirements:
  - pytest
  - pytest-testinfra
options:
  checks:
    description: Files and directories with checks.
    type: list
    elements: path
    required: true
  exec:
    description:
      - Words of a command; words appended to it run in the machine.
      - M(bakery.images.container_machine) returns them.
    type: list
    elements: str
    required: true
  report:
    description:
      - File to write a JSON report to, readable by its owner alone.
      - Without it how each check went is returned.
    type: path
  root:
    description: Directory that the names of checks in reports are relative to.
    type: path
  container:
    description:
      - Name of the container that the machine is, if it is one; M(bakery.images.container_machine) has it
        as C(machine.hostvars.ansible_ssh_bakery_container).
      - Where it ends while the checks run, its engine is asked for its exit code and its last words.
    type: str
  failed_units:
    description: Units of systemd that failed while the machine booted, as modules that boot one return them.
    type: list
    elements: str
    default: []
  strict:
    description: Whether each of O(failed_units) counts as a failed check.
    type: bool
    default: false
  timeout:
    description: How long all checks together may take, in seconds.
    type: int
    default: 1800
notes:
  - Checks are code that runs on this host.
  - Of pytest's plugins only testinfra is loaded, whatever else is installed; a C(conftest.py) may name more
    in C(pytest_plugins).
"""

EXAMPLES = r"""
- name: Check the booted image
  bakery.images.testinfra:
    checks: [roles/nginx/checks]
    exec: "{{ bakery_launched.machine.exec }}"
    report: /tmp/report.json
  register: checked

- name: Insist
  ansible.builtin.assert:
    that: checked.checks.failed == 0
"""

RETURN = r"""
checks:
  description: How the checks went.
  returned: always
  type: dict
  contains:
    passed:
      description: Number of checks that passed.
      type: int
    failed:
      description: Number of checks that failed.
      type: int
    skipped:
      description: Number of checks that were skipped.
      type: int
    report:
      description: Path of the report, if there is one.
      type: str
    results:
      description: How each check went, as C(check), C(outcome), C(seconds) and C(message).
      returned: without O(report)
      type: list
      elements: dict
    failures:
      description: Each failed check and its assertion, as C(check) and C(message).
      type: list
      elements: dict
    failed_units:
      description:
        - Units of systemd that failed in the machine, each as C(unit), with the end of its C(journal).
        - Those that failed since it booted are looked for only if a check failed.
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.checking import CheckRun, run_checks
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure


def main(make_module: type[AnsibleModule] = AnsibleModule) -> None:
    """Entry point of the module."""
    module = make_module(
        argument_spec={
            "checks": {"type": "list", "elements": "path", "required": True},
            "exec": {"type": "list", "elements": "str", "required": True},
            "report": {"type": "path"},
            "root": {"type": "path"},
            "container": {"type": "str"},
            "failed_units": {"type": "list", "elements": "str", "default": []},
            "strict": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 1800},
        },
    )
    params = module.params
    run = CheckRun(
        paths=tuple(params["checks"]),
        exec_words=tuple(params["exec"]),
        report=params["report"],
        root=params["root"],
        container=params["container"],
        failed_units=tuple(params["failed_units"]),
        strict=params["strict"],
        timeout_s=params["timeout"],
    )
    try:
        checks = run_checks(run)
    except MachineFailure as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, checks=checks)


if __name__ == "__main__":
    main()
