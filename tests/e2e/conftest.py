"""The real command line against real engines: homes begin with a base that is made once for the session."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.machines import Machines

if TYPE_CHECKING:
    from tests.e2e.ec2_account import Account
    from tests.e2e.ec2_machines import Ec2Target
    from tests.ec2world.world import World


@dataclass(frozen=True)
class Outcome:
    """A finished ``bakery`` process."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)

    @property
    def result(self) -> Any:
        """The only result of a bake."""
        (one,) = self.document["results"]
        return one


@dataclass(frozen=True)
class Kitchen:
    """A home and a project to run ``bakery`` in."""

    command: Path
    home: Path
    project: Path

    @property
    def environment(self) -> dict[str, str]:
        hidden = {"BAKERY_HOME", "CONTAINERS_CONF", "CI"}
        return {k: v for k, v in os.environ.items() if k not in hidden} | {"BAKERY_HOME": str(self.home)}

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.command, *words],
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *words: str, code: int | None = 0) -> Outcome:
        process = self.start(*words)
        stdout, stderr = process.communicate()
        outcome = Outcome(process.returncode, stdout, stderr)
        if code is not None:
            assert outcome.code == code, f"exit {outcome.code}\n{stdout}\n{stderr}"
        assert "Traceback" not in stderr, stderr
        return outcome

    def bake(self, *words: str, code: int | None = 0) -> Outcome:
        return self.run("bake", "--json", *words, code=code)

    def leftovers(self) -> dict[str, list[str]]:
        """What a finished or swept bake may not leave: mounts and containers of this home, directories."""
        mounts = [
            line.split()[4]
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if str(self.home) in line
        ]
        names = subprocess.run(
            ["podman", "ps", "--all", "--format", "{{.Names}} {{.Labels}}"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.splitlines()
        directories = [
            str(path.relative_to(self.home))
            for pattern in ("*/machines/*", "*/layers/*.partial", "**/*.partial")
            for path in self.home.glob(pattern)
        ]
        return {
            "mounts": mounts,
            "containers": [name for name in names if str(self.home) in name],
            "directories": sorted(set(directories)),
            "journal": [row[0] for row in self.query("select id from machine")],
        }

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        database = self.home / "catalog.sqlite"
        if not database.exists():
            return []
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()


NOTHING: dict[str, list[str]] = {"mounts": [], "containers": [], "directories": [], "journal": []}


@pytest.fixture(scope="session")
def bakery_command(bin_directory: Path) -> Path:
    return bin_directory / "bakery"


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, shared_directory: Path, bakery_command: Path) -> Path:
    """One $BAKERY_HOME for all end-to-end tests of a worker; its base is made once for all workers."""
    from tests.e2e.small_project import clone_home, make_base, write, write_project

    project = write_project(
        tmp_path_factory.mktemp("base"), {"dot": write("/srv/dot", "dot")}, {"dot": "dot"}
    )
    kitchen = Kitchen(command=bakery_command, home=shared_directory / "base", project=project)
    make_base(kitchen)
    return clone_home(kitchen, tmp_path_factory.mktemp("home")).home


@pytest.fixture(scope="module")
def machines(
    home: Path, tmp_path_factory: pytest.TempPathFactory, repository: Path, bin_directory: Path
) -> Iterator[Machines]:
    """Machines that are gone after the tests of a file."""
    workplace = tmp_path_factory.mktemp("machines")
    made = Machines(home, workplace, bin_directory / "ansible-playbook", repository / "collections")
    yield made
    made.discard()


@pytest.fixture
def new_kitchen(tmp_path: Path, repository: Path, home: Path, bakery_command: Path) -> Callable[[], Kitchen]:
    """A copy of the tiny project that a test may change; the home is the session's."""

    def make() -> Kitchen:
        project = tmp_path / "tiny"
        shutil.copytree(repository / "tests" / "fixtures" / "tiny", project)
        # A variable of its own keeps a test's layers apart from every other test's.
        text = (project / "bakery.yml").read_text()
        (project / "bakery.yml").write_text(
            text + f"\ndefaults:\n  vars: {{paper_size: '{tmp_path.name}'}}\n"
        )
        defaults = project / "roles" / "paper" / "tasks" / "main.yml"
        defaults.write_text(defaults.read_text() + "\n# {{ paper_size }} is a variable of this role\n")
        return Kitchen(command=bakery_command, home=home, project=project)

    return make


@pytest.fixture
def kitchen(new_kitchen: Callable[[], Kitchen]) -> Kitchen:
    return new_kitchen()


@pytest.fixture
def account(tmp_path: Path, bakery_command: Path, world: World) -> Account:
    """A project of two roles with a home of its own, and an empty account of EC2."""
    from tests.e2e.ec2_account import make_account  # needs what tests of EC2 alone need

    return make_account(bakery_command, tmp_path, world)


@pytest.fixture
def target(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ec2Target]:
    """The target ec2 in a home of its own; this process takes the world for AWS."""
    from ansible_collections.bakery.images.plugins.module_utils.aws_calls import client

    from tests.e2e.ec2_machines import Ec2Target

    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    client.cache_clear()
    yield Ec2Target(world, tmp_path)
    client.cache_clear()
