"""``bakery schema``."""

from __future__ import annotations

import click

from bakery.cli.command import Example, Verb
from bakery.cli.output import print_document
from bakery.cli.session import Session


@click.command(
    cls=Verb,
    name="schema",
    examples=(Example("bakery schema > .bakery/schema.json", "renew the copy that editors use"),),
)
@click.pass_obj
def command(session: Session) -> None:
    """Print the JSON Schema of bakery.yml, so that editors complete and check it.

    What 'bakery init' writes already points to a copy.
    """
    from bakery.adapters.ansible.targets import target_kinds
    from bakery.load.schema import json_schema

    del session
    print_document(json_schema(target_kinds()))
