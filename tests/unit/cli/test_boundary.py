"""The error boundary, around commands that fail in every way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from bakery.cli.boundary import guarded
from bakery.cli.command import Verb
from bakery.errors import BakeryError, InputError, InputErrors, MachineError, Place


def failing(action: Callable[[], object]) -> click.Command:
    @click.command(cls=Verb, name="fail")
    @click.option("--target")
    def command(target: str | None) -> None:
        action()

    return command


def raises(error: BaseException) -> Callable[[], object]:
    def action() -> None:
        raise error

    return action


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKERY_HOME", str(tmp_path))
    monkeypatch.delenv("BAKERY_DEBUG", raising=False)
    return tmp_path


def test_an_expected_failure_is_a_sentence_and_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    error = MachineError("the store is full", hint="run 'bakery prune'")
    assert guarded(failing(raises(error)), []) == 5
    streams = capsys.readouterr()
    assert streams.err == "bakery: the store is full; run 'bakery prune'\n"
    assert streams.out == ""


def test_a_mistake_in_a_file_starts_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(failing(raises(InputError("no such role", where=Place("bakery.yml", 14)))), []) == 2
    assert capsys.readouterr().err == "bakery.yml:14: no such role\n"


def test_every_mistake_of_a_reading_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    errors = InputErrors((InputError("first", where=Place("bakery.yml", 1)), InputError("second")))
    assert guarded(failing(raises(errors)), []) == 2
    assert capsys.readouterr().err.splitlines() == ["bakery.yml:1: first", "bakery: second"]


def test_with_json_a_failure_is_the_one_document_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    errors = InputErrors(
        (InputError("first", where=Place("bakery.yml", 1), hint="do that"), InputError("second"))
    )
    assert guarded(failing(raises(errors)), ["--json"]) == 2
    streams = capsys.readouterr()
    error = json.loads(streams.out)["error"]
    assert error["exit_code"] == 2
    assert error["errors"][0] == {
        "message": "first",
        "where": "bakery.yml:1",
        "hint": "do that",
        "exit_code": 2,
    }
    assert streams.err == ""


def test_escape_sequences_in_a_failure_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    guarded(failing(raises(BakeryError("\x1b[2Jgone"))), [])
    assert capsys.readouterr().err == "bakery: gone\n"


def test_an_interruption_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(failing(raises(KeyboardInterrupt())), []) == 130
    assert capsys.readouterr().err == "bakery: interrupted\n"


def test_a_reader_that_went_away_is_no_failure() -> None:
    saved = os.dup(1)
    try:
        assert guarded(failing(raises(BrokenPipeError())), []) == 0
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def test_a_bug_is_a_sentence_and_a_report_for_its_owner(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(failing(raises(ZeroDivisionError("oops"))), []) == 70
    (path,) = (home / "crashes").iterdir()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(path) in said
    assert "ZeroDivisionError: oops" in said
    assert "Traceback" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_bug_with_json_is_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(failing(raises(ZeroDivisionError())), ["--json"]) == 70
    assert json.loads(capsys.readouterr().out)["error"]["exit_code"] == 70


def test_a_report_goes_to_the_temporary_directory_without_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAKERY_HOME", str(tmp_path / "not" / "made"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    guarded(failing(raises(ZeroDivisionError())), [])
    assert list(tmp_path.glob("bakery-*.txt"))
    assert str(tmp_path) in capsys.readouterr().err


def test_bakery_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKERY_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        guarded(failing(raises(ZeroDivisionError())), [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tagret", "x"], "bakery: no such option '--tagret'; did you mean '--target'?\n"),
        (["word"], "bakery: got unexpected extra argument (word); see 'bakery --help'\n"),
        (["--target"], "bakery: option '--target' requires an argument; see 'bakery --help'\n"),
    ],
)
def test_a_wrong_command_line_is_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(failing(lambda: None), arguments) == 2
    assert capsys.readouterr().err == said


def test_a_working_directory_that_is_gone_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert guarded(failing(lambda: None), []) == 2
    assert "the working directory is gone" in capsys.readouterr().err


def test_a_name_that_no_file_can_have_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(failing((tmp_path / ("x" * 300)).stat), []) == 2
    assert "that is too long; use a shorter name" in capsys.readouterr().err


def test_json_after_two_dashes_belongs_to_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    guarded(failing(lambda: None), ["--", "--json"])
    assert capsys.readouterr().out == ""
