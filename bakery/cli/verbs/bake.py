"""``bakery bake``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from bakery.cli.command import Example, Verb
from bakery.cli.names import check_role_sets, role_sets
from bakery.cli.output import paint_for, print_document, remark, say
from bakery.cli.session import Session
from bakery.errors import InputError

if TYPE_CHECKING:
    from bakery.cli.asking import Asking
    from bakery.cli.watching import Watching
    from bakery.cli.wiring import Planner
    from bakery.flows.kitchen import Kitchen
    from bakery.flows.layers import OnFailure
    from bakery.model.plan import Plan
    from bakery.model.project import Project
    from bakery.model.result import BakeResult


class Options(TypedDict):
    """The options of the verb, as click hands them over."""

    names: tuple[str, ...]
    everything: bool
    jobs: int | None
    rebake: bool
    keep: bool
    on_error: str
    targets: tuple[str, ...]


@click.command(
    cls=Verb,
    name="bake",
    exits=(3, 4, 5, 6),
    examples=(
        Example("bakery bake web", "one role set"),
        Example("bakery bake --all --jobs 4", "all of them, four machines at a time"),
        Example("bakery bake web --rebake", "prove that the same inputs give the same image"),
        Example("bakery bake web --on-error ask", "decide what stays of a failed role"),
        Example("bakery bake --all --json > result.json", "in CI; progress goes to stderr"),
    ),
)
@click.argument("names", nargs=-1, shell_complete=role_sets, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Bake every role set of the project.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many role sets at a time. [default: the number of CPUs, at most 4]",
)
@click.option("--rebake", is_flag=True, help="Bake every role again and compare with what was there.")
@click.option(
    "--keep",
    is_flag=True,
    help="Leave a machine running, for a day: the one that was verified, or, on a target without layers, the "
    "one that a role failed on.",
)
@click.option(
    "--on-error",
    type=click.Choice(["discard", "keep", "ask"]),
    default="keep",
    show_default=True,
    help="What stays of a failed role: nothing, or its frozen state for 'bakery shell'. On a target without "
    "layers nothing stays but with --keep.",
)
@click.option("--target", "targets", multiple=True, metavar="KIND", help="Only this target; may be repeated.")
@click.pass_obj
def command(session: Session, **options: Unpack[Options]) -> int:
    """Bake role sets into verified images.

    Each role that is not baked yet is applied on a throwaway machine and frozen as a layer. The image made
    of the layers is booted, and the checks run on it; an image whose checks fail gets no name and no record.
    """
    from bakery.cli import wiring
    from bakery.cli.tables.bake import bake_document, exit_code_of

    project = wiring.open_project(session)
    names = _chosen(project, options)
    with wiring.open_kitchen(session, project=project) as kitchen:
        planner = wiring.planner(project, kitchen, names=names, targets=options["targets"])
        results = _Baking(session, options, kitchen, planner).run()
    if session.json:
        print_document(bake_document(results))
    else:
        _print_results(session, results)
        if options["keep"]:
            _say_what_was_not_booted(results)
    return exit_code_of(results)


def _chosen(project: Project, options: Options) -> tuple[str, ...]:
    """The role sets to bake: those named, all with --all, or the only one there is."""
    known = tuple(project.role_sets)
    if options["names"] and options["everything"]:
        raise InputError("role sets were named and --all was given", hint="use one of the two")
    check_role_sets(project, options["names"])
    if options["names"]:
        return tuple(dict.fromkeys(options["names"]))
    if options["everything"] or len(known) == 1:
        return known
    raise InputError("which role sets?", hint=f"name some of {', '.join(known)}, or give --all")


@dataclass(frozen=True)
class _Baking:
    """One invocation: plan, bake with progress if there is anything to do, open the shells asked for."""

    session: Session
    options: Options
    kitchen: Kitchen
    planner: Planner

    def run(self) -> tuple[BakeResult, ...]:
        from bakery.cli.wiring import require_open_vaults
        from bakery.flows.bake import BakeRequest, bake

        plan = self.planner()
        self._say_what_moves(plan)
        require_open_vaults(self.planner.project, self.kitchen, plan, rebake=self.options["rebake"])
        with self._display(plan) as display:
            kitchen = replace(self.kitchen, watch=display.watch)
            on_failure, asking = self._on_failure(display)
            results = bake(
                BakeRequest(
                    project=self.planner.project,
                    plan=plan,
                    replan=self.planner,
                    jobs=self.options["jobs"] or min(4, len(os.sched_getaffinity(0))),
                    rebake=self.options["rebake"],
                    keep=self.options["keep"],
                    on_failure=on_failure,
                ),
                kitchen,
            )
        if asking and asking.shells:
            self._open_shells(results, asking.shells)
        return results

    def _say_what_moves(self, plan: Plan) -> None:
        from bakery.cli.tables.plan import moving_text

        for one in plan.sets:
            if one.latest_of and (self.options["rebake"] or one.image is None):
                remark(self.session, f"bakery: {moving_text(one.role_set.name, one.latest_of)}")

    def _display(self, plan: Plan) -> AbstractContextManager[Watching]:
        from bakery.cli.watching import quietly, watching

        if plan.unchanged and not self.options["rebake"]:
            return quietly()
        return watching(self.session, [(one.role_set.name, one.target, len(one.nodes)) for one in plan.sets])

    def _on_failure(self, display: Watching) -> tuple[OnFailure, Asking | None]:
        from bakery.cli.asking import Asking, can_ask
        from bakery.model.result import OnError

        wanted = self.options["on_error"]
        if wanted == "ask" and can_ask() and not self.session.json:
            asking = Asking(display.paused, self.kitchen.cancel.requested)
            return asking, asking
        fixed = OnError.DISCARD if wanted == "discard" else OnError.KEEP
        return lambda _: fixed, None

    def _open_shells(self, results: Sequence[BakeResult], errors: Sequence[Exception]) -> None:
        from bakery.cli.inside import enter
        from bakery.cli.wiring import hiding
        from bakery.flows.machines import find_inside

        for result in results:
            if any(result.error is error for error in errors):
                project = self.planner.project.name
                kitchen = hiding(self.planner.project, self.kitchen, (result.role_set, result.target))
                enter(kitchen, find_inside(kitchen, result.role_set, result.target, project=project))


def _say_what_was_not_booted(results: Sequence[BakeResult]) -> None:
    """--keep keeps the machine that was verified; where nothing had to be verified there is none."""
    from bakery.model.result import Status

    for name in dict.fromkeys(one.role_set for one in results if one.status is Status.UNCHANGED):
        said = f"'{name}' is unchanged, so no machine was booted that could be kept"
        say(f"bakery: {said}; boot one with 'bakery shell {name}'", sys.stderr)


def _print_results(session: Session, results: Sequence[BakeResult]) -> None:
    """What succeeded on stdout, then what failed on stderr."""
    from bakery.cli.tables.bake import failure_text, success_text

    several = len({result.target for result in results}) > 1
    paint = paint_for(sys.stdout, session)
    good = [one for one in results if one.error is None]
    texts = [success_text(one, paint, target=one.target if several else None) for one in good]
    gap = "\n" if all("\n" not in text for text in texts) else "\n\n"
    if texts:
        say(gap.join(texts), sys.stdout)
    paint = paint_for(sys.stderr, session)
    for number, result in enumerate(one for one in results if one.error):
        separator = "\n" if texts or number else ""
        say(separator + failure_text(result, paint), sys.stderr)
