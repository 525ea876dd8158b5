"""``bakery completion SHELL``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from bakery.cli.command import Example, Verb
from bakery.cli.documents import CompletionDocument
from bakery.cli.output import print_document
from bakery.cli.session import Session


@click.command(
    cls=Verb,
    name="completion",
    examples=(
        Example('eval "$(bakery completion bash)"', "in ~/.bashrc"),
        Example('eval "$(bakery completion zsh)"', "in ~/.zshrc"),
        Example("bakery completion fish | source", "in ~/.config/fish/config.fish"),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL (bash, zsh or fish): verbs, options, role sets and images."""
    session: Session = ctx.obj
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(ctx.find_root().command, {}, "bakery", "_BAKERY_COMPLETE").source()
    document: CompletionDocument = {"shell": shell, "script": script}
    if session.json:
        print_document(document)
    else:
        click.echo(script)  # for a shell to read, to the last tab
