"""``bakery doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bakery.cli.command import Example, Verb
from bakery.cli.output import answer, remark
from bakery.cli.session import Session
from bakery.errors import BakeryError, ExitCode

if TYPE_CHECKING:
    from bakery.cli.doctor.needs import Asked, Finding


@click.command(
    cls=Verb,
    name="doctor",
    exits=(5,),
    examples=(
        Example("bakery doctor", "what this host lacks"),
        Example("sudo bakery doctor --fix", "install it with apt-get"),
    ),
)
@click.option("--fix", is_flag=True, help="Install what is missing with apt-get.")
@click.pass_obj
def command(session: Session, *, fix: bool) -> int:
    """Try everything a bake needs of this host, and say what is missing, what for, and how to get it.

    In a project that is what the targets of its role sets need; what others need is optional.
    """
    from bakery.cli.doctor.install import install, packages_for
    from bakery.cli.tables.doctor import doctor_document, doctor_text

    targets = _targets(session)
    findings = _examine(session, targets)
    packages = packages_for(findings, "apt") if fix else ()
    if packages:
        remark(session, f"Installing {', '.join(packages)}.")
        install(packages)
        findings = _examine(session, targets)
    document = doctor_document(findings, packages)
    answer(session, document, lambda paint: doctor_text(document, paint))
    return int(ExitCode.OK if document["ok"] else ExitCode.MACHINE_FAILED)


def _targets(session: Session) -> dict[str, Asked]:
    from bakery.cli.projects import project_if_any, targets_asked

    try:
        project = project_if_any(session)
    except BakeryError as error:  # what the host lacks is to be told all the same
        remark(session, f"bakery: looking as outside of any project: {error}")
        project = None
    return targets_asked(project)


def _examine(session: Session, targets: dict[str, Asked]) -> tuple[Finding, ...]:
    from bakery.adapters.ansible.places import find_places
    from bakery.cli.doctor.host import host_findings
    from bakery.cli.doctor.needs import load_requirements
    from bakery.cli.doctor.probing import probe_all

    requirements = load_requirements(find_places().collection / "roles", targets)
    return (*host_findings(session.home), *probe_all(requirements, session.home))
