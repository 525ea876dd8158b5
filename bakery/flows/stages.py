"""What a watcher is told of where a role set is: by the flow, and by the tasks of a run."""

from __future__ import annotations

from bakery.flows.kitchen import Kitchen
from bakery.flows.trie import watch_tasks
from bakery.model.plan import SetPlan
from bakery.model.progress import SetStage, Stage
from bakery.model.run import BOOT_PLAY, CAPTURE_PLAY, PROVISION_PLAY, RunEvent, TaskStarted
from bakery.ports import TaskWatch


def enter(kitchen: Kitchen, plan: SetPlan, stage: Stage, *, role: str | None = None, done: int = 0) -> None:
    """Say that a role set entered a stage, with ``done`` roles behind it."""
    kitchen.watch(SetStage(plan.role_set.name, plan.target, stage, role, done, len(plan.nodes)))


def watch_image(kitchen: Kitchen, plan: SetPlan) -> TaskWatch:
    """Passes the tasks on, and says when the capture is over and the image boots to be checked."""
    tasks = watch_tasks(kitchen, plan)
    entered = False

    def watch(event: RunEvent) -> None:
        nonlocal entered
        if not entered and isinstance(event, TaskStarted) and event.play == BOOT_PLAY:
            entered = True
            enter(kitchen, plan, Stage.VERIFY, done=len(plan.nodes))
        tasks(event)

    return watch


def watch_whole(kitchen: Kitchen, plan: SetPlan) -> TaskWatch:
    """The same for a run that applies all roles before it makes the image: says which role it is at."""
    image, seen = watch_image(kitchen, plan), list[str]()

    def watch(event: RunEvent) -> None:
        if isinstance(event, TaskStarted) and (not seen or event.play != seen[-1]):
            seen.append(event.play)
            done = sum(play.startswith(PROVISION_PLAY) for play in seen)
            if event.play.startswith(PROVISION_PLAY):
                role = event.play.removeprefix(PROVISION_PLAY)
                enter(kitchen, plan, Stage.ROLE, role=role, done=done - 1)
            elif event.play == CAPTURE_PLAY:
                enter(kitchen, plan, Stage.CAPTURE, done=done)
        image(event)

    return watch
