"""The command itself, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bakery import __version__
from bakery.cli.command import Globals, VerbGroup
from bakery.cli.main import VERBS, bakery

LISTED = [name for section in VERBS.values() for name in section]
# What takes long to import, or would show that a verb does more than it should.
HEAVY = (
    "rich",
    "ansible",
    "ansible_runner",
    "jsonschema",
    "msgspec",
    "sqlite3",
    "importlib.metadata",
    "difflib",
)


def run(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bakery", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
    )


def test_without_a_verb_the_help_is_the_answer() -> None:
    done = run()
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: bakery")


def test_version_is_the_package_version() -> None:
    assert run("--version").stdout == f"bakery {__version__}\n"


def test_an_unknown_verb_is_refused_with_the_one_that_was_meant() -> None:
    done = run("bkae")
    assert (done.returncode, done.stderr) == (2, "bakery: no such verb 'bkae'; did you mean 'bake'?\n")


@pytest.mark.parametrize(
    "words", [("--json", "version"), ("version", "--json"), ("--json", "--version"), ("--version", "--json")]
)
def test_global_options_work_before_and_after_the_verb(words: tuple[str, ...]) -> None:
    assert json.loads(run(*words).stdout)["bakery"] == __version__


def test_the_option_after_the_verb_wins(tmp_path: Path) -> None:
    done = run(
        "--home", str(tmp_path / "one"), "images", "--json", "--home", str(tmp_path / "two"), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize("verb", LISTED)
def test_every_verb_explains_itself(verb: str) -> None:
    command = bakery.get_command(click.Context(bakery), verb)
    assert isinstance(command, Globals)
    text = command.get_help(click.Context(command, info_name=f"bakery {verb}"))
    assert command.help
    assert "Exit codes:" in text
    assert "--json" in text


def test_help_lists_every_verb_in_a_section() -> None:
    done = run("--help")
    assert [verb for verb in LISTED if f"\n  {verb} " not in done.stdout] == []


def test_groups_list_verbs_that_exist() -> None:
    group = bakery.get_command(click.Context(bakery), "base")
    assert isinstance(group, VerbGroup)
    context = click.Context(group)
    assert all(group.get_command(context, name) for name in group.list_commands(context))


def test_help_imports_nothing_heavy() -> None:
    code = f"""if True:
        import sys
        sys.argv = ["bakery", "--help"]
        from bakery.cli.main import main
        try:
            main()
        except SystemExit:
            print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    "words", [["completion", "bash"], ["--help"], ["version", "--json"], ["nonsense", "--json"]]
)
def test_a_reader_that_went_away_is_met_with_silence(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "bakery", *words], stdout=closed, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (2 if "nonsense" in words else 0, b"")


def test_completion_offers_verbs() -> None:
    done = run(_BAKERY_COMPLETE="bash_complete", COMP_WORDS="bakery ver", COMP_CWORD="1")
    assert done.stdout.splitlines() == ["plain,verify", "plain,version"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str) -> None:
    done = run("completion", shell)
    assert done.returncode == 0
    assert "_BAKERY_COMPLETE" in done.stdout


def test_completion_offers_role_sets_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "bakery.yml").write_text(
        "version: 1\nrole_sets:\n  web:\n    vars: {secret: !vault x}\n  worker: {}\n  db: {}\n"
    )
    done = run(cwd=tmp_path, _BAKERY_COMPLETE="bash_complete", COMP_WORDS="bakery bake w", COMP_CWORD="2")
    assert done.stdout.splitlines() == ["plain,web", "plain,worker"]


def test_completion_offers_bases_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "bakery.yml").write_text("bases: {bookworm: {}, trixie: {}}\n")
    words = {"COMP_WORDS": "bakery base refresh b", "COMP_CWORD": "3"}
    done = run(cwd=tmp_path, _BAKERY_COMPLETE="bash_complete", **words)
    assert done.stdout == "plain,bookworm\n"


def test_completion_in_a_broken_project_offers_nothing(tmp_path: Path) -> None:
    (tmp_path / "bakery.yml").write_bytes(b"\x00[[[")
    done = run(cwd=tmp_path, _BAKERY_COMPLETE="bash_complete", COMP_WORDS="bakery bake w", COMP_CWORD="2")
    assert (done.stdout.strip(), done.returncode) == ("", 0)
