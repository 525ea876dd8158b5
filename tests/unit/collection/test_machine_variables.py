"""How a machine is reached is never its own word: facts that it returns cannot change an option."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.vars.clean import clean_facts
from ansible_collections.bakery.images.plugins.connection import machine

# Ansible's own: where a task was sent by name, and what it takes out of facts by other rules.
NAMES = {"inventory_hostname"}
COLLECTION = Path(machine.__file__).parents[2]


def variables() -> list[str]:
    options = yaml.safe_load(machine.DOCUMENTATION)["options"]
    return [var["name"] for option in options.values() for var in option.get("vars", ())]


@pytest.mark.parametrize("name", sorted(set(variables()) - NAMES))
def test_ansible_takes_the_variable_out_of_facts(name: str) -> None:
    assert clean_facts({name: "/bin/evil"}) == {}


@pytest.mark.parametrize("target", ["container", "ec2"])
def test_playbooks_set_no_other_variable_of_the_connection(target: str) -> None:
    """Those for the shell and become plug-ins act in the machine alone."""
    tasks = yaml.safe_load((COLLECTION / f"roles/target_{target}/tasks/parts/known.yml").read_text())
    given = {name for task in tasks for name in task.get("ansible.builtin.add_host", {})}
    inside = {"ansible_remote_tmp", "ansible_async_dir", "ansible_system_tmpdirs", "ansible_su_flags"}
    ours = {name for name in given - inside if name.startswith("ansible_")}
    assert [name for name in sorted(ours) if clean_facts({name: "x"})] == []
