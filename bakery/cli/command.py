"""The click classes: verbs that know the global options, and groups that import a verb when it is used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import click

from bakery.cli.session import Session, default_home
from bakery.cli.suggest import closest
from bakery.errors import ExitCode

CONTEXT_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

EXIT_CODES: Mapping[int, str] = {
    ExitCode.OK: "done; for bake: baked or unchanged",
    ExitCode.BAD_INPUT: "the command line or the project file is wrong",
    ExitCode.PROVISION_FAILED: "a role failed",
    ExitCode.CHECKS_FAILED: "checks failed on the captured image",
    ExitCode.MACHINE_FAILED: "a machine could not be launched or captured, or this host lacks something",
    ExitCode.SOME_FAILED: "some of several role sets failed",
    70: "a bug in bakery; the message says where its report is",
    ExitCode.INTERRUPTED: "interrupted",
}
ALWAYS = (0, 2, 70, 130)


class Example(NamedTuple):
    """A command line for the help text and what it does."""

    line: str
    does: str


class Globals(click.Command):
    """A command that takes the global options; one given both before and after the verb: the latter wins."""

    def __init__(
        self, *args: Any, examples: tuple[Example, ...] = (), exits: tuple[int, ...] = (), **kwargs: Any
    ) -> None:
        kwargs.setdefault("context_settings", CONTEXT_SETTINGS)
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.exits = tuple(code for code in EXIT_CODES if code in {*ALWAYS, *exits})
        self.own_params = tuple(self.params)
        self.params = [*self.params, *_global_options()]

    def invoke(self, ctx: click.Context) -> Any:
        ctx.obj = ctx.meta.get(META) or Session(None, default_home())
        os.environ["BAKERY_HOME"] = str(ctx.obj.home)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = _help_records(ctx, self.own_params)
        both = _help_records(ctx, [param for param in self.get_params(ctx) if param not in self.own_params])
        for title, records in (("Options", own), ("Global options, before or after the verb", both)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        if self.examples:
            with formatter.section("Examples"):
                formatter.write_dl([(example.line, example.does) for example in self.examples], col_max=48)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), EXIT_CODES[code]) for code in self.exits])


class Verb(Globals):
    """A command that does something. Its function gets the Session through ``click.pass_obj``."""


class VerbGroup(Globals, click.Group):
    """Verbs by section; ``verbs`` maps a title to names and one-line helps, so that listing imports none."""

    def __init__(
        self, *args: Any, package: str, verbs: Mapping[str, Mapping[str, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.package = package
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [name for section in self.verbs.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"{self.package}.{cmd_name}").command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        ctx.meta[WORDS] = tuple(args)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None and not args[0].startswith("-"):
            raise UnknownName("verb", args[0], known=tuple(self.list_commands(ctx)), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, verbs in self.verbs.items():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()))
        super().format_options(ctx, formatter)


class UnknownName(click.UsageError):
    """A word of the command line that names nothing: ``no such verb 'bkae'; did you mean 'bake'?``."""

    def __init__(
        self, noun: str, name: str, *, known: tuple[str, ...], ctx: click.Context | None = None
    ) -> None:
        super().__init__(f"no such {noun} '{name}'", ctx)
        self.close = closest(name, known)


def _help_records(ctx: click.Context, params: Iterable[click.Parameter]) -> list[tuple[str, str]]:
    options = (param for param in params if isinstance(param, click.Option))
    return [record for option in options if (record := option.get_help_record(ctx))]


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether --json was given; asked of the words themselves, as the command line may be what is wrong."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


META = "bakery.session"
WORDS = "bakery.words"  # all of the command line: what an eager option may need of the others


def _global_options() -> tuple[click.Parameter, ...]:
    path = {"type": click.Path(path_type=Path), "metavar": "PATH"}
    return (
        _option("--project", "project", **path, help="Project file or its directory; else searched upwards."),
        _option("--home", "home", **path, help="Where layers, images and records are; BAKERY_HOME."),
        _option("--json", "json", is_flag=True, help="Print one JSON document, nothing else, on stdout."),
        _option("--no-color", "no_color", is_flag=True, help="No colours; NO_COLOR=1 does the same."),
        _option("-v", "--verbose", "verbose", count=True, help="Say more; twice: every task."),
        _option("-q", "--quiet", "quiet", is_flag=True, help="Only errors and the answer."),
    )


def _option(*names: str, **settings: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_remember, **settings)


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Fold one option into the Session; ``meta`` is shared by the contexts of the group and the verb."""
    session: Session = ctx.meta.setdefault(META, Session(None, default_home()))
    if not value:
        return
    ctx.meta[META] = replace(session, **_change(str(param.name), value, session))


def _change(name: str, value: Any, session: Session) -> dict[str, Any]:
    match name:
        case "project":
            return {"project": value}
        case "home":
            return {"home": Path(value).absolute()}
        case "json":
            return {"json": True}
        case "no_color":
            return {"colour": False}
        case "verbose":
            return {"verbosity": session.verbosity + int(value)}
    return {"verbosity": -1}
