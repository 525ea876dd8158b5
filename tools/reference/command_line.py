"""docs/reference/cli.md, from the click commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from bakery.cli.command import EXIT_CODES, Globals, VerbGroup
from bakery.cli.main import bakery as root
from tools.reference import markdown


def render() -> str:
    context = click.Context(root, info_name="bakery")
    verbs = list(_verbs(root, context))
    contents = "\n".join(
        f"- [`{path}`](#{markdown.anchor(path)}): {command.get_short_help_str(200)}"
        for path, command, _ in verbs
    )
    return markdown.page(
        "Command line",
        _description(root),
        contents,
        "## Global options",
        "Before or after the verb; given twice, the latter wins.",
        _options(param for param in root.get_params(context) if param not in root.own_params),
        *(part for path, command, inner in verbs for part in _section(path, command, inner)),
    )


def render_exit_codes() -> str:
    return markdown.page(
        "Exit codes",
        markdown.table(("code", "means"), ((f"`{int(code)}`", text) for code, text in EXIT_CODES.items())),
        "Which of them a verb uses is listed with the verb in [cli.md](cli.md). With `--json` the document "
        "on standard output carries the same outcome, and a failure's sentence as `error`.",
    )


def _verbs(
    group: VerbGroup, context: click.Context, prefix: str = "bakery"
) -> Iterator[tuple[str, click.Command, click.Context]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, f"the table of verbs lists '{name}', which has no command"
        path = f"{prefix} {name}"
        inner = click.Context(command, info_name=name, parent=context)
        yield path, command, inner
        if isinstance(command, VerbGroup):
            yield from _verbs(command, inner, path)


def _section(path: str, command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {path}"
    yield _description(command)
    yield markdown.code(" ".join([path, *command.collect_usage_pieces(context)]), "text")
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    own = command.own_params if isinstance(command, Globals) else tuple(command.params)
    yield markdown.table(
        ("argument", "takes"),
        (
            (f"`{param.make_metavar(context)}`", "one" if param.nargs == 1 else "any number")
            for param in arguments
        ),
    )
    yield _options(own)
    if isinstance(command, Globals):
        if command.examples:
            yield markdown.code(
                "\n".join(f"{example.line}  # {example.does}" for example in command.examples), "sh"
            )
        codes = ", ".join(f"`{int(code)}` {EXIT_CODES[code]}" for code in command.exits)
        yield f"[Exit codes](exit-codes.md): {codes}."


def _description(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "").replace("\f", "")
    return "\n".join("" if line.strip() == "\b" else line for line in text.splitlines())


def _options(params: Iterator[click.Parameter] | tuple[click.Parameter, ...]) -> str:
    return markdown.table(("option", "does"), (_option(param) for param in params if _is_shown(param)))


def _is_shown(param: click.Parameter) -> bool:
    return isinstance(param, click.Option) and not param.hidden


def _option(param: click.Parameter) -> tuple[str, str]:
    assert isinstance(param, click.Option)
    record = param.get_help_record(click.Context(click.Command("reference")))
    assert record is not None, f"{param.name} has no help"
    return f"`{record[0]}`", record[1]
