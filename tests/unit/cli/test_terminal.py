"""What machines, roles and files call themselves never commands a terminal, nor a log that is read in one."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.cli.board import Board
from bakery.cli.boundary import guarded, report, show_traceback
from bakery.cli.output import Paint, answer, paint_for, print_document, remark, shown
from bakery.cli.plain import line_of
from bakery.cli.progress import LiveProgress
from bakery.cli.session import Session
from bakery.cli.tables.bake import bake_document, failure_text, success_text
from bakery.cli.tables.diff import diff_text
from bakery.cli.tables.images import (
    Lists,
    image_body,
    images_document,
    images_text,
    show_document,
    show_text,
    verify_document,
    verify_text,
)
from bakery.cli.tables.upkeep import sweep_document, sweep_text
from bakery.errors import InputError, MachineError, Place
from bakery.flows.inspect import ImageView
from bakery.flows.upkeep import Swept
from bakery.model.progress import LayerReady, Note, SetStage, SetTask, Stage
from bakery.model.records import CheckReport
from bakery.model.result import BakeResult, Irreproducible, LayerResult, Status
from bakery.model.run import TaskEnded, TaskProgress, TaskStarted
from tests.unit.builders import image_record, layer_record
from tests.unit.cli.test_live import terminal

# Sequences of ECMA-48 that begin with one byte and with two, a bell, marks that turn lines around (UAX 9),
# what has no width, other ends of lines, bytes that are no text, and what Paint marks its strokes with.
HOSTILE = (
    "\x1b]0;PWN\x07\x1b[5mPWN\x1b[2J\x9b5mPWN\x9d0;PWN\x9c\x1bP1;PWN\x1b\\\x1bc\x08\x7f\r\x0b\x0c\x0ePWN\x0f"
    "\u202ePWN\u2066\u200b\u200d\ufeff\u00ad\u061c\u2028PWN\u2029\U000e0041\udcff\ud800\x85\x00"
)
OURS = re.compile(r"\x1b\[(?:0|1|2|3[1236])m")
TOLD = {"kind": HOSTILE, "id": HOSTILE, "digest": HOSTILE, "location": HOSTILE, "run": HOSTILE}
FAILED = CheckReport(1, 1, HOSTILE, ({"check": HOSTILE, "message": f"{HOSTILE}\n{HOSTILE}"},))
LAYER = LayerResult(HOSTILE, HOSTILE, "a" * 64, "l1", HOSTILE, 1, cached=False, seconds=1)
FILES = ({"path": f"/{HOSTILE}", "change": HOSTILE, "what": [HOSTILE], "role": HOSTILE},)
IMAGE = replace(
    image_record("x"),
    role_set=HOSTILE,
    target=HOSTILE,
    project=HOSTILE,
    artifact=TOLD,
    names=(HOSTILE,),
    made=HOSTILE,
    base=HOSTILE,
    ancestry=(HOSTILE,),
    inputs={"image": {"user": HOSTILE, "labels": {HOSTILE: HOSTILE}}},
)
BAKED = BakeResult(
    role_set=HOSTILE,
    target=HOSTILE,
    status=Status.BAKED,
    fingerprint="e" * 64,
    artifact=TOLD,
    layers=(LAYER,),
    checks=FAILED,
    seconds=1,
    names=(HOSTILE,),
    irreproducible=(Irreproducible(HOSTILE, HOSTILE, HOSTILE, FILES),),
    machine={"id": HOSTILE, "shell": [HOSTILE]},
)
FAILURE = replace(
    BAKED, status=Status.FAILED, error=MachineError(HOSTILE, where=Place(HOSTILE, 1), hint=HOSTILE)
)
PACKAGES = {
    "added": [[HOSTILE, HOSTILE]],
    "removed": [[HOSTILE, HOSTILE]],
    "changed": [[HOSTILE, HOSTILE, HOSTILE]],
}
NAMED = {"name": HOSTILE, "version": HOSTILE, "old": HOSTILE, "new": HOSTILE, "role": HOSTILE}
DIFFERENT = {"packages": {change: [NAMED] for change in PACKAGES}, "files": FILES}
SHOWN = replace(
    layer_record("x"), role=HOSTILE, version=HOSTILE, digest=HOSTILE, detail={"packages": PACKAGES}
)
VIEW = ImageView(IMAGE, (SHOWN,), elsewhere=(IMAGE,))


def diff(paint: Paint) -> str:
    image = image_body(IMAGE, latest=True)
    return diff_text({"left": image, "right": image, "same": False, "report": DIFFERENT}, paint)


ANSWERS: dict[str, Callable[[Paint], str]] = {
    "bake": lambda paint: success_text(BAKED, paint, target=HOSTILE),
    "bake, unchanged": lambda paint: success_text(replace(BAKED, status=Status.UNCHANGED), paint),
    "bake, failed": lambda paint: failure_text(FAILURE, paint),
    "bake, failed without checks": lambda paint: failure_text(replace(FAILURE, checks=None), paint),
    "images": lambda paint: images_text(images_document([IMAGE]), paint),
    "show": lambda paint: show_text(
        show_document(VIEW, latest=True), paint, lists=Lists(packages=True, sealed=True), run=HOSTILE
    ),
    "verify": lambda paint: verify_text(verify_document(IMAGE, FAILED, latest=True), paint),
    "diff": diff,
    "sweep": lambda paint: sweep_text(
        sweep_document(
            [Swept(HOSTILE, {"machines": [HOSTILE], HOSTILE: [HOSTILE]}, (HOSTILE,))],
            [Path(HOSTILE.replace("\0", ""))],
            dry_run=True,
        ),
        paint,
    ),
}  # fmt: skip


def commands(text: str) -> list[str]:
    """What of a text a terminal obeys, or does not show, but for our colours and ends of lines."""
    text = OURS.sub("", text).replace("\r\n", "\n")
    return [
        char for char in text if char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Cs"}
    ]


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("where", ["terminal", "pipe"])
def test_no_answer_commands_a_terminal(
    name: str, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    session = Session(None, tmp_path)
    if where == "terminal":
        with terminal(100, 40) as (stream, screen), monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            answer(session, {}, ANSWERS[name])
        said = screen.raw.decode()
        assert OURS.search(said)
    else:
        stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        monkeypatch.setattr(sys, "stdout", stream)
        answer(session, {}, ANSWERS[name])
        said = stream.buffer.getvalue().decode()
        assert "\x1b" not in said
    assert "PWN" in said
    assert commands(said) == []


def test_documents_are_json_and_nothing_in_them_commands(capsys: pytest.CaptureFixture[str]) -> None:
    document = bake_document([FAILURE])
    print_document(document)
    said = capsys.readouterr().out
    assert json.loads(said) == json.loads(json.dumps(document))
    assert said.isascii()
    assert commands(said) == []


def test_failures_and_remarks_command_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BAKERY_HOME", str(tmp_path))
    report(InputError(HOSTILE, where=Place(HOSTILE, 3), hint=HOSTILE), [])
    remark(Session(None, tmp_path), HOSTILE)
    error = ValueError(HOSTILE)
    report(MachineError(HOSTILE), ["--json"])
    show_traceback(type(error), error, None)
    streams = capsys.readouterr()
    assert "PWN" in streams.err
    assert commands(streams.err + streams.out) == []


def test_a_report_of_a_bug_commands_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from bakery.cli import crash

    monkeypatch.setenv("BAKERY_HOME", str(tmp_path))
    saved = crash.save(RuntimeError(HOSTILE))
    assert saved is not None
    assert commands(saved.read_text()) == []
    assert (saved.stat().st_mode & 0o777, saved.parent.stat().st_mode & 0o777) == (0o600, 0o700)


PROGRESS = (
    SetStage(HOSTILE, HOSTILE, Stage.ROLE, HOSTILE, 0, 1),
    Note(None, HOSTILE),
    Note(HOSTILE, HOSTILE),
    SetTask(HOSTILE, HOSTILE, TaskStarted(HOSTILE, HOSTILE, HOSTILE, 1)),
    SetTask(HOSTILE, HOSTILE, TaskProgress(HOSTILE)),
    SetTask(HOSTILE, HOSTILE, TaskEnded(HOSTILE, HOSTILE, HOSTILE, "failed", 1.0)),
    LayerReady(HOSTILE, HOSTILE, HOSTILE, False, 1.0, 1),
)


@pytest.mark.parametrize("event", PROGRESS, ids=lambda event: type(event).__name__)
def test_lines_of_progress_command_nothing(event: object) -> None:
    line = line_of(Board([(HOSTILE, HOSTILE, 1)]), event, 2)
    assert line is None or (commands(line) == [] and "\n" not in line)


def test_rows_of_progress_command_nothing_but_their_own_redrawing() -> None:
    with terminal(200, 24) as (stream, screen):
        board = Board([(HOSTILE, HOSTILE, 1)])
        with LiveProgress(board, stream, colour=True, verbosity=2) as progress:
            for event in PROGRESS:
                progress(event)
    # Colours, the cursor up and shown and hidden, a line erased: what rich draws with.
    said = re.sub(r"\x1b\[(?:[0-9;]*m|\?25[hl]|1A|2K)|\r", "", screen.raw.decode())
    assert "PWN" in said
    assert commands(said) == []
    assert b"\x1b[5m" not in screen.raw


@given(st.text(max_size=60))
def test_nothing_that_is_shown_commands(text: str) -> None:
    assert commands(shown(text)) == []


def test_only_paint_colours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with terminal(80, 24) as (stream, _):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        paint = paint_for(stream, Session(None, tmp_path))
    text = f"{paint.red('red')} \x1b[31mnot red\x1b[0m {paint.bold(chr(27) + '[2J')}"
    assert shown(text) == "\x1b[31mred\x1b[0m not red \x1b[1m\x1b[0m"


def test_a_name_on_the_command_line_commands_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from bakery.cli.main import bakery

    monkeypatch.setenv("BAKERY_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(os.fsencode("\x1b[5mPWN\u202e") + b"\xff\x9b5m")
    for words in (["show", name], [name], ["show", "--home", name, "x"], ["bake", "--project", name, name]):
        assert guarded(bakery, words) == 2
    assert commands(capsys.readouterr().err) == []
