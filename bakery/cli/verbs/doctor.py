"""``bakery doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bakery.cli.command import Example, Verb
from bakery.cli.output import answer, remark
from bakery.cli.session import Session
from bakery.errors import ExitCode

if TYPE_CHECKING:
    from bakery.cli.doctor.needs import Finding


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
    """Try everything a bake needs of this host, and say what is missing, what for, and how to get it."""
    from bakery.cli.doctor.install import install, packages_for
    from bakery.cli.tables.doctor import doctor_document, doctor_text

    findings = _examine(session)
    packages = packages_for(findings, "apt") if fix else ()
    if packages:
        remark(session, f"Installing {', '.join(packages)}.")
        install(packages)
        findings = _examine(session)
    document = doctor_document(findings, packages)
    answer(session, document, lambda paint: doctor_text(document, paint))
    return int(ExitCode.OK if document["ok"] else ExitCode.MACHINE_FAILED)


def _examine(session: Session) -> tuple[Finding, ...]:
    from bakery.adapters.ansible.places import find_places
    from bakery.cli.doctor.host import host_findings
    from bakery.cli.doctor.needs import load_requirements
    from bakery.cli.doctor.probing import probe_all

    requirements = load_requirements(find_places().collection / "roles")
    return (*host_findings(session.home), *probe_all(requirements, session.home))
