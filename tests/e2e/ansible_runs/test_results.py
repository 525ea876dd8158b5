"""What a run hands up and how its failures read."""

from __future__ import annotations

import re

import pytest

from bakery.model.run import FailureKind, TaskEnded, TaskStarted
from tests.e2e.ansible_runs.workplace import (
    WITH_MACHINE,
    Kitchen,
)

pytestmark = pytest.mark.e2e


def test_what_the_steps_hand_up_arrives_merged(kitchen: Kitchen) -> None:
    result = kitchen.run("""
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.set_stats: {data: {bakery: {machine: {id: m1}}}, per_host: false, aggregate: true}
        - ansible.builtin.set_stats: {data: {bakery: {layer: {id: l1}}}, per_host: false, aggregate: true}
    """)
    assert result.failure is None
    assert result.up == {"machine": {"id": "m1"}, "layer": {"id": "l1"}}


def test_extra_variables_are_data_and_no_templates(kitchen: Kitchen) -> None:
    odd = {"bakery_label": "{{ nothing.of_the_kind }}", "bakery_on": True, "bakery_list": [1, "1", None]}
    result = kitchen.run(
        """
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.set_stats:
            data: {bakery: {label: "{{ bakery_label }}", flag: "{{ bakery_on }}", list: "{{ bakery_list }}"}}
            per_host: false
    """,
        variables=odd,
    )
    assert result.up == {"label": "{{ nothing.of_the_kind }}", "flag": True, "list": [1, "1", None]}


def test_tasks_are_counted_and_loop_items_are_not(kitchen: Kitchen) -> None:
    kitchen.run("""
    - name: The play
      hosts: localhost
      gather_facts: false
      tasks:
        - name: Say thrice
          ansible.builtin.debug: {msg: "{{ item }}"}
          loop: [1, 2, 3]
        - name: Not today
          ansible.builtin.debug:
          when: false
        - name: Never mind
          ansible.builtin.command: "false"
          ignore_errors: true
    """)
    started = [event for event in kitchen.events if isinstance(event, TaskStarted)]
    assert started == [
        TaskStarted("The play", None, "Say thrice", 1),
        TaskStarted("The play", None, "Not today", 2),
        TaskStarted("The play", None, "Never mind", 3),
    ]
    ended = [event.status for event in kitchen.events if isinstance(event, TaskEnded)]
    assert ended == ["ok", "skipped", "ignored"]


def test_the_failure_is_the_first_that_was_not_rescued(kitchen: Kitchen) -> None:
    result = kitchen.run("""
    - hosts: localhost
      gather_facts: false
      tasks:
        - block:
            - name: Rescued
              ansible.builtin.command: sh -c 'exit 7'
          rescue:
            - ansible.builtin.debug:
        - block:
            - name: Fatal
              ansible.builtin.command: sh -c 'echo to stdout; echo the reason >&2; exit 3'
          always:
            - name: Fails too
              ansible.builtin.fail: {msg: later}
    """)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.TASK
    assert result.failure.task == "Fatal"
    assert result.failure.message == "non-zero return code (rc 3)\nthe reason"


def test_a_failed_role_task_is_named_with_role_file_and_line(kitchen: Kitchen) -> None:
    kitchen.write("roles/web/tasks/main.yml", "- name: Break\n  ansible.builtin.fail: {msg: broken}\n")
    result = kitchen.run(WITH_MACHINE, provision=kitchen.provision("web"))
    failure = result.failure
    assert failure is not None
    assert (failure.play, failure.role, failure.task) == ("Apply role web", "web", "Break")
    assert (failure.path, failure.message) == ("roles/web/tasks/main.yml:1", "broken")


def test_a_failed_loop_speaks_through_its_first_failed_item(kitchen: Kitchen) -> None:
    result = kitchen.run("""
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.command: sh -c 'echo item {{ item }} >&2; exit {{ item }}'
          loop: [0, 4, 5]
    """)
    assert result.failure is not None
    assert result.failure.message == "non-zero return code (rc 4)\nitem 4"


def test_no_log_hides_the_reason(kitchen: Kitchen) -> None:
    result = kitchen.run("""
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.command: sh -c 'echo SENTINEL >&2; exit 1'
          no_log: true
    """)
    assert result.failure is not None
    assert result.failure.message == "its output is hidden by no_log"


def test_a_condition_that_is_a_string_gets_a_hint(kitchen: Kitchen) -> None:
    result = kitchen.run("""
    - hosts: localhost
      gather_facts: false
      vars: {flag: "abc"}
      tasks:
        - ansible.builtin.debug:
          when: flag
    """)
    assert result.failure is not None
    assert "hint: since ansible-core 2.19" in result.failure.message


def test_a_module_that_knows_the_trouble_hands_up_details(kitchen: Kitchen) -> None:
    kitchen.write(
        "roles/web/library/knowing.py",
        """
        from ansible.module_utils.basic import AnsibleModule

        details = {"kind": "layer_corrupt", "layer": "l1"}
        AnsibleModule({}).fail_json(msg="layer l1 is damaged", bakery_error=details)
        """,
    )
    kitchen.write("roles/web/tasks/main.yml", "- knowing:\n")
    result = kitchen.run(WITH_MACHINE, provision=kitchen.provision("web"))
    assert result.failure is not None
    assert result.failure.details == {"kind": "layer_corrupt", "layer": "l1"}


@pytest.mark.parametrize(
    ("playbook", "message", "path"),
    [
        ("- hosts: localhost\n  gather_facts: false\n  roles: [nope]\n", "the role 'nope' was not found", 3),
        ("- hosts: localhost\n  tasks: {\n", "YAML parsing failed", 3),
        ("- hosts: localhost\n  tasks:\n    - no.such.module:\n", "couldn't resolve module/action", 3),
    ],
)
def test_trouble_before_any_task_is_ansibles_own_sentence(
    kitchen: Kitchen, playbook: str, message: str, path: int
) -> None:
    result = kitchen.run(playbook)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.ANSIBLE
    assert result.failure.message.startswith(message)
    assert "\n" not in result.failure.message
    assert result.failure.path is not None
    assert result.failure.path.endswith(f"playbooks/it.yml:{path}")


def test_a_play_without_a_host_is_a_failure(kitchen: Kitchen) -> None:
    result = kitchen.run("""
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.debug:
    - hosts: machine
      tasks:
        - ansible.builtin.debug:
    """)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.NO_HOST
    assert result.failure.message == "no host matched 'machine'"


def test_a_machine_that_does_not_answer_is_unreachable(kitchen: Kitchen) -> None:
    result = kitchen.run("""
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.add_host: {name: machine, ansible_host: 127.0.0.1, ansible_port: 1}
    - hosts: machine
      tasks: []
    """)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.UNREACHABLE


def test_warnings_are_sentences_without_colour(kitchen: Kitchen) -> None:
    result = kitchen.run("""
    - hosts: localhost
      gather_facts: false
      vars: {port: 80}
      tasks:
        - ansible.builtin.debug:
    """)
    assert len(result.warnings) == 1
    assert re.fullmatch(r"Found variable using reserved name 'port'\. \(.*it\.yml:\d+\)", result.warnings[0])


def test_variables_have_the_rank_that_their_place_gives_them(kitchen: Kitchen) -> None:
    kitchen.write("roles/web/defaults/main.yml", "a: default\nb: default\nc: default\nd: default\nport: 1\n")
    kitchen.write("roles/web/vars/main.yml", "d: role\n")
    kitchen.write(
        "roles/web/tasks/main.yml",
        """
        - ansible.builtin.set_stats:
            data: {bakery: {got: "{{ [a, b, c, d, e, port, text, nested.on] }}"}}
            per_host: false
        """,
    )
    shared = kitchen.write("shared.yml", "c: file\n")
    provision = kitchen.provision(
        "web",
        set_vars={"b": "set", "c": "set", "e": "{{ b }}/{{ c }}", "port": 2},
        vars={"d": "role use", "port": 3, "text": "017", "nested": {"on": "yes"}},
        vars_files=(shared,),
    )
    result = kitchen.run(WITH_MACHINE, provision=provision)
    assert result.failure is None
    assert result.up == {"got": ["default", "set", "file", "role use", "set/file", 3, "017", "yes"]}


def test_the_provisioning_play_stands_in_the_project(kitchen: Kitchen) -> None:
    kitchen.write("files/motd", "hello\n")
    kitchen.write("group_vars/all.yml", "stray: true\n")
    kitchen.write(
        "roles/web/tasks/main.yml",
        """
        - ansible.builtin.set_stats:
            data: {bakery: {motd: "{{ motd }}", stray: "{{ stray is defined }}", epoch: "{{ epoch.stdout }}"}}
            per_host: false
        """,
    )
    kitchen.write("roles/web/meta/main.yml", "dependencies: [{role: first}]\n")
    kitchen.write(
        "roles/first/tasks/main.yml",
        "- ansible.builtin.command: printenv SOURCE_DATE_EPOCH\n  register: epoch\n",
    )
    provision = kitchen.provision(
        "web", vars={"motd": "{{ lookup('file', 'motd') }}"}, environment={"SOURCE_DATE_EPOCH": "17"}
    )
    result = kitchen.run(WITH_MACHINE, provision=provision)
    assert result.failure is None
    assert result.up == {"motd": "hello", "stray": False, "epoch": "17"}


def test_only_named_variables_of_the_environment_reach_ansible(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "null")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("AWS_PROFILE", "prod")
    result = kitchen.run("""
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.command: env
          register: env
        - ansible.builtin.set_stats: {data: {bakery: {env: "{{ env.stdout_lines }}"}}, per_host: false}
    """)
    names = {line.partition("=")[0] for line in result.up["env"]}
    assert "AWS_PROFILE" in names
    assert not names & {"SSH_AUTH_SOCK", "PYTHONPATH", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST"}


def test_the_cause_that_ansible_keeps_apart_is_told(kitchen: Kitchen) -> None:
    kitchen.write(
        "roles/web/tasks/main.yml",
        """
        - ansible.builtin.command: sometool --now
          ignore_errors: true
          register: once
        - ansible.builtin.assert: {that: once is failed}
        - ansible.builtin.command: sometool {{ item }}
          loop: [1, 2]
        """,
    )
    result = kitchen.run(WITH_MACHINE, provision=kitchen.provision("web"))
    assert result.failure is not None
    assert "No such file or directory" in result.failure.message
    assert result.failure.message.count("sometool") == 1


def test_a_cause_that_no_log_hides_stays_hidden(kitchen: Kitchen) -> None:
    result = kitchen.run("""
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.command: /SENTINEL/{{ item }}
          loop: [1]
          no_log: true
    """)
    assert result.failure is not None
    assert "SENTINEL" not in result.failure.message


def test_a_collection_that_is_not_there_is_the_roles_failure(kitchen: Kitchen) -> None:
    kitchen.write("roles/web/tasks/main.yml", "- community.nothing.timezone: {name: Europe/Berlin}\n")
    result = kitchen.run(WITH_MACHINE, provision=kitchen.provision("web"))
    failure = result.failure
    assert failure is not None
    assert (failure.play, failure.role, failure.path) == (
        "Apply role web",
        "web",
        "roles/web/tasks/main.yml:1",
    )
    assert "the collection community.nothing is not there" in failure.message
    assert "machine" not in result.up


def test_warnings_have_the_role_that_they_are_about(kitchen: Kitchen) -> None:
    kitchen.write(
        "roles/web/library/warning.py",
        """
        from ansible.module_utils.basic import AnsibleModule

        module = AnsibleModule({})
        module.warn("this is odd")
        module.exit_json()
        """,
    )
    kitchen.write(
        "roles/web/tasks/main.yml", "- warning:\n- warning:\n- ansible.builtin.set_fact: {port: 1}\n"
    )
    result = kitchen.run(WITH_MACHINE, provision=kitchen.provision("web"))
    assert result.failure is None
    odd, reserved = result.warnings
    assert odd == "role 'web': this is odd"
    assert reserved.startswith("role 'web': Found variable using reserved name 'port'")
