"""The one place where a failure becomes a sentence and an exit code."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import click

from bakery.cli.command import UnknownName, wants_json
from bakery.cli.documents import ErrorBody
from bakery.cli.output import print_document, say
from bakery.cli.text import clean, one_line
from bakery.errors import BakeryError, ExitCode, InputError, InputErrors, InterruptedBake

BUG = 70  # EX_SOFTWARE of sysexits.h
_LONGEST_SHOWN = 100
COMPLETE = "_BAKERY_COMPLETE"  # what completion scripts set; the name is click's convention


def guarded(command: click.Command, arguments: Sequence[str]) -> int:
    """Run ``command`` and return the exit code. No exception leaves, unless BAKERY_DEBUG=1 asks for it."""
    _speak_any_name()
    try:
        _require_directory()
        result = _run(command, arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
        return int(ExitCode.OK)
    except (KeyboardInterrupt, click.Abort):
        if sys.stderr.isatty():
            print(file=sys.stderr)  # the terminal has echoed ^C
        return report(InterruptedBake("interrupted"), arguments)
    except click.ClickException as error:
        return report(_from_click(error), arguments)
    except BakeryError as error:
        return report(error, arguments)
    except Exception as error:
        if os.environ.get("BAKERY_DEBUG") == "1":
            raise
        known = _too_long(error)
        return report(known or _bug(error), arguments, exit_code=None if known else BUG)
    return result if isinstance(result, int) else 0


def _require_directory() -> None:
    """Everything begins at the working directory, which somebody else may have removed."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise InputError("the working directory is gone", hint="change to one that is there") from error


def _run(command: click.Command, arguments: Sequence[str]) -> object:
    """What click's own ``main`` does, without its ways to end the process."""
    if instruction := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(command, {}, "bakery", COMPLETE, instruction)
    try:
        with command.make_context("bakery", list(arguments)) as context:
            return command.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code


def report(error: BakeryError, arguments: Sequence[str], *, exit_code: int | None = None) -> int:
    """Say what failed, in sentences on stderr or as the error document on stdout; returns the exit code."""
    code = int(error.exit_code) if exit_code is None else exit_code
    try:
        if wants_json(arguments):
            print_document({"error": error_body(error) | {"exit_code": code}})
        else:
            complain(error)
    except BrokenPipeError:
        _drop_stdout()
    return code


def complain(error: BakeryError) -> None:
    """The sentences of ``error`` on stderr; one that names a file starts with it, as editors like it."""
    mistakes = error.errors if isinstance(error, InputErrors) else (error,)
    for mistake in mistakes:
        prefix = "" if mistake.where else "bakery: "
        say(f"{prefix}{mistake}", sys.stderr)


def error_body(error: BakeryError) -> ErrorBody:
    """The ``error`` of a JSON document; the mistakes of one reading are in ``errors``."""
    body: ErrorBody = {
        "message": clean(error.message),
        "where": str(error.where) if error.where else None,
        "hint": error.hint,
        "exit_code": int(error.exit_code),
    }
    if isinstance(error, InputErrors):
        body["errors"] = [error_body(one) for one in error.errors]
    return body


def _from_click(error: click.ClickException) -> InputError:
    """A usage error in our words: ``no such option '--tagret'; did you mean '--target'?``."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "bakery"
    hint = f"see '{path} --help'"
    if isinstance(error, click.NoSuchOption):
        close = error.possibilities[0] if error.possibilities else None
        return InputError(f"no such option '{error.option_name}'", hint=_did_you_mean(close) or hint)
    if isinstance(error, UnknownName):
        return InputError(error.message, hint=_did_you_mean(error.close) or hint)
    message = one_line(error.format_message()).rstrip(".")
    return InputError(message[:1].lower() + message[1:], hint=hint)


def _too_long(error: Exception) -> InputError | None:
    """Names come from options, the environment and the project: whichever it was, no file can have this."""
    if not isinstance(error, OSError) or error.errno != errno.ENAMETOOLONG:
        return None
    name = one_line(str(error.filename))
    shown = name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…"
    return InputError(f"no file can be called '{shown}': that is too long", hint="use a shorter name")


def _did_you_mean(close: str | None) -> str | None:
    return f"did you mean '{close}'?" if close else None


def _bug(error: Exception) -> BakeryError:
    from bakery.cli import crash

    where = crash.save(error)
    saved = f"its report is in {where}" if where else "and its report could not be saved"
    return BakeryError(
        f"this is a bug in bakery ({type(error).__name__}: {one_line(str(error))[:200]}), {saved}",
        hint="please report it, or set BAKERY_DEBUG=1 to see the traceback",
    )


def _speak_any_name() -> None:
    """File names need not be UTF-8: what cannot be encoded is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What BAKERY_DEBUG=1 shows: the words of an exception may be anybody's."""
    import traceback

    say("".join(traceback.format_exception(kind, error, trace)), sys.stderr, end="")


def _drop_stdout() -> None:
    """The reader of stdout went away; Python must not fail again when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
