"""``pytest --hosts=bakery://MACHINE``, from any project with bakery installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.machines import Machine, Machines

CHECK = """
def test_machine_is_where_commands_run(host):
    assert host.file("/etc/os-release").contains("Debian")
    done = host.run("readlink /proc/1/ns/mnt; exit 3")
    assert done.rc == 3
    assert done.stdout.strip() == {namespace!r}
    assert host.run("printf '\\\\377'").stdout_bytes == b"\\xff"
    assert host.check_output("id -un") == "root"
"""


@pytest.fixture
def machine(machines: Machines, request: pytest.FixtureRequest) -> Machine:
    return machines.launch(request.node.name.replace("_", "-")[5:60])


def run_pytest(
    project: Path, *words: str, home: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    hidden = ("BAKERY", "PYTEST", "COV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            project,
            *words,
            project,
        ],
        cwd=project,
        env=kept | {"BAKERY_HOME": str(home), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_machine_is_reached_by_its_id(machine: Machine, home: Path, tmp_path: Path) -> None:
    namespace = str(Path(f"/proc/{machine.launched.journal.pid}/ns/mnt").readlink())
    (tmp_path / "test_it.py").write_text(CHECK.format(namespace=namespace))
    done = run_pytest(tmp_path, f"--hosts=bakery://{machine.launched.journal.id}", home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_unknown_machine_is_a_sentence(machine: Machine, home: Path, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(CHECK.format(namespace=""))
    done = run_pytest(tmp_path, "--hosts=bakery://nobody", home=home)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"ERROR: bakery://nobody: {home} has no such machine (running: ")
    assert machine.launched.journal.id in line


def test_unknown_machine_of_a_test_file_is_a_sentence(home: Path, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "testinfra_hosts = ['bakery://nobody']\n" + CHECK.format(namespace="")
    )
    done = run_pytest(tmp_path, home=home)
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert "bakery://nobody" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "testinfra_backend.py" not in done.stdout


def test_discarded_machine_is_not_found(machine: Machine, home: Path, tmp_path: Path) -> None:
    name = machine.launched.journal.id
    machine.throwaways.discard(name)
    done = run_pytest(tmp_path, f"--hosts=bakery://{name}", home=home)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert name not in done.stderr.partition("(")[2]


def test_pytest_without_a_machine_imports_nothing_of_it(home: Path, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n\n\ndef test_modules():\n"
        "    ours = {name for name in sys.modules if name.split('.')[0] == 'bakery'}\n"
        "    assert ours == {'bakery', 'bakery.pytest_plugin'}\n"
    )
    done = run_pytest(tmp_path, home=home)
    assert done.returncode == 0, done.stdout
