"""What of a role acts on the controller is found in its text, and nothing else is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakery.load.controller_side import controller_side
from bakery.load.roles import load_role


def found(text: str, path: str = "tasks/main.yml") -> list[tuple[int, str]]:
    return list(controller_side(path, text.encode()))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("- delegate_to: localhost\n  command: id\n", "delegate_to: localhost"),
        ("- {command: id, delegate_to: 127.0.0.1}\n", "delegate_to: 127.0.0.1"),
        ('- command: id\n  delegate_to: "{{ control }}"\n', "delegate_to: {{ control }}"),
        ("- command: id\n  'delegate_to': db1\n", "delegate_to: db1"),
        ("- block:\n    - command: id\n  delegate_to: localhost\n", "delegate_to: localhost"),
        ("- local_action: command id\n", "local_action: command id"),
        ("- local_action:\n    module: command\n    cmd: id\n", "local_action"),
        ("- command: id\n  connection: local\n", "connection: local"),
        ("- command: id\n  connection: ansible.builtin.local\n", "connection: ansible.builtin.local"),
        ("- command: id\n  vars: {ansible_connection: local}\n", "ansible_connection: local"),
        ('- command: id\n  connection: "{{ how }}"\n', "connection: {{ how }}"),
        ("- ansible.builtin.fetch: {src: /etc/shadow, dest: /root/}\n", "fetch"),
        ("- action: fetch src=/a dest=/b\n", "fetch"),
        ("- action: {module: ansible.posix.synchronize}\n", "ansible.posix.synchronize"),
        ("- copy: {src: /etc/shadow, dest: /x}\n", "copy of /etc/shadow"),
        ("- copy: src=/etc/shadow dest=/x\n", "copy of /etc/shadow"),
        (
            "- ansible.builtin.template:\n    src: ~/.aws/credentials\n    dest: /x\n",
            "template of ~/.aws/credentials",
        ),
        ("- copy: {src: /etc/shadow, dest: /x, remote_src: false}\n", "copy of /etc/shadow"),
        ("- include_vars: /root/secrets.yml\n", "include_vars of /root/secrets.yml"),
        ("- include_vars: {file: /root/secrets.yml}\n", "include_vars of /root/secrets.yml"),
        ("- script: /root/x.sh --now\n", "script of /root/x.sh"),
        ("- command: id\n  with_pipe: id\n", "with_pipe"),
        ("- command: id\n  with_ansible.builtin.file: [/etc/shadow]\n", "with_ansible.builtin.file"),
        ("- debug: {msg: \"{{ lookup('pipe', 'id') }}\"}\n", "lookup 'pipe'"),
        ("- debug: {msg: \"{{ lookup('ansible.builtin.env', 'HOME') }}\"}\n", "lookup 'env'"),
        ("- debug: {msg: \"{{ query( 'community.x.secret', 1) }}\"}\n", "lookup 'community.x.secret'"),
        ("- debug: {msg: \"{{ q('url', 'x') }}\"}\n", "lookup 'url'"),
        ("- debug: {msg: \"{{ lookup ('pipe', 'id') }}\"}\n", "lookup 'pipe'"),
        ("- debug: {msg: \"{{ q ( 'url', 'x') }}\"}\n", "lookup 'url'"),
        ("- debug:\n    msg: >-\n      {{ query\n      ('env', 'HOME') }}\n", "lookup 'env'"),
        ("- copy: {src: ../../../../etc/shadow, dest: /x}\n", "copy of ../../../../etc/shadow"),
        ("- copy: src=../../other/files/x dest=/x\n", "copy of ../../other/files/x"),
        ("- template: {src: x/../../../y.j2, dest: /x}\n", "template of x/../../../y.j2"),
        ("- include_vars: './../../x.yml'\n", "include_vars of ./../../x.yml"),
        ('- debug: {msg: "{{ lookup(which, 1) }}"}\n', "lookup of a computed name"),
    ],
)
def test_task_that_acts_on_the_controller_is_named(text: str, what: str) -> None:
    assert [words for _line, words in found(text)] == [what]


@pytest.mark.parametrize(
    "text",
    [
        "- command: id\n  with_items: [1]\n  loop_control: {label: x}\n",
        "- command: id\n  with_ansible.builtin.dict: {}\n",
        "- include_vars: x\n  with_first_found: [a, b]\n",
        "- debug: {msg: \"{{ lookup('vars', 'x') }} {{ query('ansible.builtin.sequence', 'end=3') }}\"}\n",
        "# delegate_to: localhost\n- command: id\n# {{ lookup('pipe', 'id') }}\n",
        "- shell: |\n    delegate_to: localhost\n    with_pipe: x\n",
        '- command: id\n  delegate_to: "{{ inventory_hostname }}"\n',
        "- wait_for_connection:\n- git_config: {name: fetch.prune}\n- command: git fetch\n",
        "- community.docker.x: {connection: ssh}\n",
        "- copy: {src: nginx.conf, dest: /etc/nginx.conf}\n- template: src=a.j2 dest=/etc/a\n",
        "- copy: {src: /etc/a, dest: /etc/b, remote_src: true}\n- copy: src=/etc/a dest=/b remote_src=yes\n",
        "- file: {src: /etc/a, dest: /etc/b, state: link}\n- command: cat src=/etc/passwd\n",
        "- template: {src: ../templates/a.j2, dest: /x}\n- copy: {src: a/../b/../c, dest: ../../d}\n",
        "- unarchive: {src: 'https://example.org/a.tar', dest: /x}\n",
    ],
)
def test_task_that_acts_in_the_machine_is_not_named(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize("kind", ["action", "filter", "lookup", "callback", "vars", "test", "connection"])
def test_plugin_is_named(kind: str) -> None:
    assert found("x = 1\n", f"{kind}_plugins/mine.py") == [(1, f"{kind} plug-in")]


@pytest.mark.parametrize("path", ["library/mine.py", "module_utils/mine.py", "files/main.yml"])
def test_what_runs_in_the_machine_or_is_copied_is_not_named(path: str) -> None:
    assert found("lookup('pipe', 'id')\n- delegate_to: localhost\n", path) == []


@pytest.mark.parametrize("path", ["templates/site.j2", "defaults/main.yml", "handlers/x.yml"])
def test_lookups_count_wherever_ansible_templates(path: str) -> None:
    assert found("a: 1\nb: \"{{ lookup('password', '/tmp/x') }}\"\n", path) == [(2, "lookup 'password'")]


def test_words_are_fit_for_a_terminal() -> None:
    assert found('- delegate_to: "a\\e[31m\\u202eb"\n') == [(1, "delegate_to: a\\x1b[31m\\u202eb")]
    assert len(found(f"- delegate_to: {'x' * 500}\n")[0][1]) < 60


def test_text_that_is_no_yaml_names_its_lookups() -> None:
    assert found("delegate_to: [\n{{ lookup('env', 'HOME') }}\n") == [(2, "lookup 'env'")]


def test_role_tells_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "r/tasks").mkdir(parents=True)
    (tmp_path / "r/tasks/main.yml").write_text("- ping:\n- ping:\n  delegate_to: localhost\n")
    (here,) = load_role("r", (tmp_path,)).runs_here
    assert str(here.place) == f"{tmp_path}/r/tasks/main.yml:3"
    assert here.what == "delegate_to: localhost"
