"""``bakery verify NAME``."""

from __future__ import annotations

import click

from bakery.cli.command import Example, Verb
from bakery.cli.names import check_role_sets, image_named, images, is_latest
from bakery.cli.output import answer
from bakery.cli.session import Session
from bakery.errors import ExitCode


@click.command(
    cls=Verb,
    name="verify",
    exits=(4, 5),
    examples=(
        Example("bakery verify web", "the newest image of web"),
        Example("bakery verify web:3f2a9c0d1b7e", "an older one"),
    ),
)
@click.argument("name", shell_complete=images)
@click.option("--target", metavar="KIND", help="Of this target, where there are several.")
@click.pass_obj
def command(session: Session, *, name: str, target: str | None) -> int:
    """Read an image whole, boot it and run its checks again, as they are in the project now.

    The record of the image stays as it is.
    """
    from bakery.cli import wiring
    from bakery.cli.tables.images import verify_document, verify_text
    from bakery.flows.machines import verify_again

    project = wiring.open_project(session)
    with wiring.open_kitchen(session, project=project) as kitchen, kitchen.using_the_store():
        image = image_named(kitchen, name, target, session=session)
        check_role_sets(project, [image.role_set])
        plan = wiring.planner(project, kitchen, names=(image.role_set,), targets=(image.target,))()
        planned = plan.sets[0]
        hiding = kitchen.hiding(planned.secrets)
        report = verify_again(hiding, image, planned.checks, strict=planned.role_set.strict)
        document = verify_document(image, report, latest=is_latest(kitchen, image))
    answer(session, document, lambda paint: verify_text(document, paint))
    return int(ExitCode.CHECKS_FAILED if report.failed else ExitCode.OK)
