"""Real runs of ansible-playbook through bakery's door, on localhost and a machine that is localhost too."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from bakery.adapters.ansible.places import Places, find_places
from bakery.adapters.ansible.private_dir import sweep_private_dirs
from bakery.adapters.ansible.processes import processes_of_run
from bakery.adapters.ansible.runner import AnsibleRunner
from bakery.errors import Place
from bakery.model.project import RoleUse, Timeouts, VaultSpec, VaultText
from bakery.model.run import FailureKind, Provision, Run, RunResult, TaskEnded, TaskStarted

pytestmark = pytest.mark.e2e

LONG_TASK = """
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.command: >-
            sh -c 'echo $BAKERY_RUN > {note}.partial && mv {note}.partial {note} && exec sleep 600'
"""

WITH_MACHINE = """
    - hosts: localhost
      gather_facts: false
      tasks:
        - name: Add the machine
          ansible.builtin.add_host:
            name: machine
            groups: [bakery_machines]
            ansible_connection: local
            ansible_python_interpreter: "{{ ansible_playbook_python }}"
    - ansible.builtin.import_playbook: "{{ bakery_provision }}"
"""


@dataclass
class Asked:
    """A Cancel that a test sets."""

    event: threading.Event = field(default_factory=threading.Event)

    def requested(self) -> bool:
        return self.event.is_set()


class Kitchen:
    """A project and a playbook folder of a test."""

    def __init__(self, root: Path) -> None:
        self.project = root / "project"
        self.playbooks = root / "playbooks"
        self.note = root / "note"
        self.project.mkdir()
        self.playbooks.mkdir()
        self.cancel = Asked()
        self.events: list[TaskStarted | TaskEnded] = []
        self.result: RunResult | None = None

    def write(self, path: str, text: str) -> Path:
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def run(self, playbook: str, *, provision=None, variables=None, timeouts=None) -> RunResult:
        (self.playbooks / "it.yml").write_text(textwrap.dedent(playbook), encoding="utf-8")
        places = Places(self.playbooks, find_places().collections)
        run = Run("it.yml", variables or {}, self.project, provision, timeouts or Timeouts())
        self.result = AnsibleRunner(self.cancel, places).run(run, self.events.append)
        return self.result

    def provision(self, role: str, *, environment=None, vault=(), **use) -> Provision:
        return Provision(
            use=RoleUse(
                name=role,
                version=None,
                vars=use.get("vars", {}),
                set_vars=use.get("set_vars", {}),
                vars_files=use.get("vars_files", ()),
                inputs=use.get("inputs", ()),
                origin="web",
                where=Place("bakery.yml", 1),
            ),
            roles_path=(self.project / "roles",),
            vault=VaultSpec(tuple(vault)),
            environment=environment or {},
        )

    def run_until_note(self, playbook: str, **arguments) -> tuple[threading.Thread, str]:
        """Start a run in a thread; returns once the playbook's task wrote the id of the run into the note."""
        thread = threading.Thread(target=self.run, args=(playbook,), kwargs=arguments)
        thread.start()
        return thread, wait_for_note(self.note)


def wait_for_note(note: Path) -> str:
    waiting = threading.Event()
    for _ in range(600):
        if note.exists():
            return note.read_text(encoding="utf-8").strip()
        waiting.wait(0.1)
    pytest.fail("the task never began")


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path)


def processes_owned_by(pid: int) -> list[Path]:
    """Processes of any run that the bakery ``pid`` started."""
    mark = f"BAKERY_OWNER_PID={pid}".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environment.read_bytes().split(b"\0"):
                found.append(environment.parent)
        except OSError:
            continue
    return found


def private_dirs_of(pid: int) -> list[Path]:
    return list(Path("/dev/shm").glob(f"bakery-run-{pid}-*"))


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


def test_the_private_directory_is_gone_afterwards(kitchen: Kitchen) -> None:
    kitchen.run("- hosts: localhost\n  gather_facts: false\n  tasks: []\n")
    assert private_dirs_of(os.getpid()) == []


def test_the_private_directory_is_gone_when_the_watcher_breaks(kitchen: Kitchen) -> None:
    def break_it(event: TaskStarted | TaskEnded) -> None:
        raise RuntimeError(event)

    (kitchen.playbooks / "it.yml").write_text(
        textwrap.dedent(LONG_TASK.format(note=kitchen.note)), encoding="utf-8"
    )
    runner = AnsibleRunner(kitchen.cancel, Places(kitchen.playbooks, find_places().collections))
    with pytest.raises(RuntimeError):
        runner.run(Run("it.yml", {}, kitchen.project), break_it)
    assert private_dirs_of(os.getpid()) == []


def test_cancelling_leaves_no_process_of_the_run(kitchen: Kitchen) -> None:
    thread, run_id = kitchen.run_until_note(LONG_TASK.format(note=kitchen.note))
    assert len(processes_of_run(run_id)) > 1
    kitchen.cancel.event.set()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert processes_of_run(run_id) == ()
    assert kitchen.result is not None
    assert kitchen.result.failure is not None
    assert kitchen.result.failure.kind is FailureKind.CANCELLED
    assert kitchen.result.failure.task == "ansible.builtin.command"


def test_a_process_that_ignores_signals_does_not_survive_a_cancel(kitchen: Kitchen) -> None:
    stubborn = """
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.shell: |
            trap '' INT TERM HUP
            setsid sh -c 'trap "" INT TERM HUP; echo $BAKERY_RUN > {note}.p; mv {note}.p {note}; sleep 600' &
            sleep 600
    """
    thread, run_id = kitchen.run_until_note(stubborn.format(note=kitchen.note))
    kitchen.cancel.event.set()
    thread.join(timeout=15)
    assert not thread.is_alive()
    assert processes_of_run(run_id) == ()


@pytest.mark.parametrize(
    ("timeouts", "kind"),
    [
        (Timeouts(idle_s=3, total_s=600), FailureKind.IDLE),
        (Timeouts(idle_s=600, total_s=3), FailureKind.TIMEOUT),
    ],
)
def test_a_run_out_of_time_is_stopped(kitchen: Kitchen, timeouts: Timeouts, kind: FailureKind) -> None:
    result = kitchen.run(LONG_TASK.format(note=kitchen.note), timeouts=timeouts)
    assert result.failure is not None
    assert result.failure.kind is kind
    assert processes_owned_by(os.getpid()) == []


def test_what_was_handed_up_before_a_cancel_arrives(kitchen: Kitchen) -> None:
    first = """
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.set_stats: {data: {bakery: {machine: {id: m1}}}, per_host: false, aggregate: true}
    """
    thread, _ = kitchen.run_until_note(first + LONG_TASK.format(note=kitchen.note))
    kitchen.cancel.event.set()
    thread.join()
    assert kitchen.result is not None
    assert kitchen.result.up == {"machine": {"id": "m1"}}


def test_a_shielded_run_goes_on_although_somebody_asked_to_stop(kitchen: Kitchen) -> None:
    playbook = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug:\n"
    (kitchen.playbooks / "it.yml").write_text(playbook, encoding="utf-8")
    kitchen.cancel.event.set()
    runner = AnsibleRunner(kitchen.cancel, Places(kitchen.playbooks, find_places().collections))
    assert runner.shielded().run(Run("it.yml", {}, kitchen.project), kitchen.events.append).failure is None


def test_nothing_starts_once_cancelled(kitchen: Kitchen) -> None:
    kitchen.cancel.event.set()
    result = kitchen.run("- hosts: localhost\n  tasks: []\n")
    assert result.failure is not None
    assert result.failure.kind is FailureKind.CANCELLED
    assert kitchen.events == []


KILLED = """
import sys
from pathlib import Path
from bakery.adapters.ansible.places import Places, find_places
from bakery.adapters.ansible.runner import AnsibleRunner
from bakery.model.run import Run

class Never:
    def requested(self): return False

playbooks, project = map(Path, sys.argv[1:])
runner = AnsibleRunner(Never(), Places(playbooks, find_places().collections))
runner.run(Run("it.yml", {}, project), lambda event: None)
"""


def test_a_killed_bakery_takes_its_run_along_and_the_sweep_removes_the_rest(kitchen: Kitchen) -> None:
    (kitchen.playbooks / "it.yml").write_text(
        textwrap.dedent(LONG_TASK.format(note=kitchen.note)), encoding="utf-8"
    )
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(kitchen.playbooks), str(kitchen.project)],
        cwd=Path(__file__).parents[2],
    ) as bakery:
        run_id = wait_for_note(kitchen.note)
        left = private_dirs_of(bakery.pid)
        assert len(left) == 1
        assert set(sweep_private_dirs(dry_run=False)).isdisjoint(left), "a live run was swept"
        bakery.send_signal(signal.SIGKILL)
    assert left[0] in sweep_private_dirs(dry_run=True)
    assert left[0].exists()
    assert left[0] in sweep_private_dirs(dry_run=False)
    assert processes_of_run(run_id) == ()
    assert private_dirs_of(bakery.pid) == []


PASSWORD = "correct horse"
SENTINELS = {
    "inline": 'inLine "S3ntinel" \\ 01',
    "file": "vaultedFile-S3ntinel-02",
    "include": "includedFile-S3ntinel-03",
    "role": "roleVars-S3ntinel-04",
    "lines": "-----BEGIN KEY-----\nfirst-line-S3ntinel-05\nsecond-line-S3ntinel-06\n-----END KEY-----\n",
    "number": "9048207135",
    "no_log": "noLog-S3ntinel-07",
}


def encrypt(text: str) -> str:
    vault = VaultLib([("default", VaultSecret(PASSWORD.encode()))])
    return vault.encrypt(text).decode()


TELLING_TASKS = """
- ansible.builtin.debug: {msg: "{{ file }} {{ inline }} {{ role }} {{ lines }} {{ number }}"}
- ansible.builtin.set_stats: {data: {bakery: {checks: "{{ file }}"}}, per_host: false}
"""
# Ways in which a role's failing task says what it knows; each is the last task of the role.
LEAKS = {
    "message": """
        ansible.builtin.fail: {msg: "saw {{ inline }} {{ file }} {{ role }} {{ lines }} {{ number }}"}
    """,
    "debug": """
        ansible.builtin.debug: {var: lines}
        failed_when: true
    """,
    "nested": """
        ansible.builtin.debug: {msg: {a: ["{{ inline }}", "{{ number }}"]}}
        failed_when: true
    """,
    "streams": """
        ansible.builtin.command: "sh -c 'echo {{ file }} >&2; echo {{ role }} | base64; exit 1'"
    """,
    "lines": """
        ansible.builtin.command: {argv: [sh, -c, 'printf %s "$1" >&2; exit 1', x, "{{ lines }}"]}
    """,
    "assertion": """
        ansible.builtin.assert: {that: ["file == 'x'"], fail_msg: "{{ file }} {{ role }}"}
    """,
    "no_log": """
        ansible.builtin.command: "sh -c 'echo {{ no_log_value }} {{ file }}; exit 1'"
        no_log: true
    """,
    "loop": """
        ansible.builtin.command: sh -c 'exit {{ item | length }}'
        loop: ["{{ file }}", "{{ inline }}"]
    """,
    "undefined": """
        ansible.builtin.debug: {msg: "{{ no_such[file] }}"}
    """,
    "name and path": """
        name: Write {{ file }}
        ansible.builtin.copy: {dest: "/nowhere/{{ file }}/{{ inline }}", content: "{{ lines }}"}
    """,
    "included": """
        vars: {content: "{{ lookup('file', included) }}"}
        ansible.builtin.fail: {msg: "saw {{ content }}"}
    """,
}


@pytest.mark.parametrize("leak", LEAKS)
def test_no_secret_leaves_a_run(
    kitchen: Kitchen, leak: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n", encoding="utf-8")
    vaulted = kitchen.write("vaulted.yml", "")
    vaulted.write_text(
        encrypt(f"file: {SENTINELS['file']}\nnumber: {SENTINELS['number']}\n"), encoding="utf-8"
    )
    included = kitchen.write("included.yml", "")
    included.write_text(encrypt(f"include: {SENTINELS['include']}\n"), encoding="utf-8")
    role_vars = kitchen.write("roles/web/vars/main.yml", "")
    role_vars.write_text(encrypt(f"role: {SENTINELS['role']}\n"), encoding="utf-8")
    last = textwrap.indent(textwrap.dedent(LEAKS[leak]).strip(), "  ")
    tasks = kitchen.write("roles/web/tasks/main.yml", "")
    tasks.write_text(f"{TELLING_TASKS}-\n{last}\n", encoding="utf-8")
    provision = kitchen.provision(
        "web",
        vault=(str(password),),
        vars={"inline": VaultText(encrypt(SENTINELS["inline"])), "included": str(included)},
        set_vars={"lines": VaultText(encrypt(SENTINELS["lines"])), "no_log_value": SENTINELS["no_log"]},
        vars_files=(vaulted,),
    )
    result = kitchen.run(WITH_MACHINE, provision=provision)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.TASK, result.failure
    assert result.up == {"checks": "********"}
    said = repr((result, kitchen.events))
    assert "S3ntinel" not in said
    assert SENTINELS["number"] not in said
    assert private_dirs_of(os.getpid()) == []
    assert files_that_hold("S3ntinel", tmp_path) == []


def files_that_hold(word: str, root: Path) -> list[Path]:
    places = (root, Path("/var/log"))
    done = subprocess.run(
        ["grep", "-rlIs", word, *map(str, places)], capture_output=True, text=True, check=False
    )
    allowed = root / "project" / "roles" / "web" / "tasks"
    return [path for path in map(Path, done.stdout.splitlines()) if allowed not in path.parents]
