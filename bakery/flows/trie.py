"""The layers of all role sets of one bake: each node of the trie is obtained once, by whoever comes first."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace

from bakery.flows.kitchen import Kitchen
from bakery.flows.layers import ImageOnTop, LayerJob, LayerOutcome, OnFailure, obtain_layer
from bakery.flows.reproduction import compare_layers
from bakery.model.plan import LayerNode, Plan, SetPlan
from bakery.model.progress import SetTask, Warned
from bakery.model.project import Project, VaultText
from bakery.model.records import BaseRecord
from bakery.model.result import Irreproducible
from bakery.model.run import HandedUp, RunEvent, TaskWarning
from bakery.planning import content_after, root_content
from bakery.ports import TaskWatch


@dataclass(frozen=True)
class Obtained:
    """A node's layer and, where it was baked again, whether it came out as before and what is different.

    ``reproduced`` is None where there was nothing to compare it with.
    """

    outcome: LayerOutcome
    different: tuple[Irreproducible, ...] = ()
    reproduced: bool | None = None


@dataclass(frozen=True)
class Ground:
    """What a node is baked on: the base, the layer ids below it (base first) and their content digest.

    ``vaults`` are what the roles below are known to have read.
    """

    base: BaseRecord
    parents: tuple[str, ...]
    content: str
    vaults: tuple[VaultText, ...] = ()

    @classmethod
    def of(cls, base: BaseRecord) -> Ground:
        """The bare base."""
        return cls(base, base.layer_ids, root_content(base))

    def with_layer(self, outcome: LayerOutcome) -> Ground:
        """This ground with one more layer on top."""
        record = outcome.record
        content = content_after(self.content, record)
        return Ground(self.base, (*self.parents, record.id), content, (*self.vaults, *record.vaults))


class Trie:
    """The nodes of one bake, and the layers they came to. Safe to use from several threads."""

    def __init__(
        self, kitchen: Kitchen, project: Project, plan: Plan, *, rebake: bool, on_failure: OnFailure
    ) -> None:
        self._kitchen = kitchen
        self._project = project
        self._plan = plan
        self._rebake = rebake
        self._on_failure = on_failure
        self._guard = threading.Lock()
        self._nodes: dict[str, Future[Obtained]] = {}

    def obtain(
        self, plan: SetPlan, node: LayerNode, ground: Ground, *, image: ImageOnTop | None = None
    ) -> Obtained:
        """The node's layer; a role set that finds another one at work on it waits for the result.

        ``image`` is that of a role set whose last node this is. The same run makes it if nobody else waits
        for the layer, and if the layer is not to be compared with an earlier one first.
        """
        with self._guard:
            future = self._nodes.get(node.chain)
            mine = future is None
            if future is None:
                future = self._nodes[node.chain] = Future()
        if not mine:
            made = future.result()
            outcome = replace(made.outcome, cached=True, image=None)
            return Obtained(outcome, reproduced=made.reproduced)
        try:
            made = self._make(plan, node, ground, image=image)
        except BaseException as error:
            # Those who wait for this node must end too, whatever happened to us.
            future.set_exception(error)
            raise
        future.set_result(made)
        return made

    def _make(self, plan: SetPlan, node: LayerNode, ground: Ground, *, image: ImageOnTop | None) -> Obtained:
        alone = len(self._sharing(plan, node)) < 2 and not self._rebake
        job = LayerJob(
            project=self._project,
            node=node,
            target=plan.target,
            role_set=plan.role_set.name,
            base=ground.base,
            parents=ground.parents,
            content=ground.content,
            compression=plan.role_set.image.compression,
            fresh=self._rebake,
            on_failure=self._on_failure,
            waiting=tuple(
                one.role_set.name for one in self._sharing(plan, node) if one.role_set != plan.role_set
            ),
            image=image if alone else None,
        )
        watch = job.image.watch if job.image else self._watch(plan, node)
        kitchen = self._kitchen.hiding(plan.secrets.with_opened(ground.vaults))
        outcome = obtain_layer(kitchen, job, watch)
        if not self._rebake or node.cached is None:
            return Obtained(outcome)
        different = compare_layers(kitchen, node.cached, outcome.record)
        return Obtained(outcome, different, reproduced=not different)

    def _watch(self, plan: SetPlan, node: LayerNode) -> TaskWatch:
        return watch_tasks(self._kitchen, *(self._sharing(plan, node) or [plan]))

    def _sharing(self, plan: SetPlan, node: LayerNode) -> list[SetPlan]:
        """The role sets of this bake that have the node."""
        return [
            one
            for one in self._plan.sets
            if one.target == plan.target and any(other.chain == node.chain for other in one.nodes)
        ]


def watch_tasks(kitchen: Kitchen, *plans: SetPlan) -> TaskWatch:
    """Passes the tasks of a run on to the watcher, once for every role set that waits for it."""

    def watch(event: RunEvent) -> None:
        if isinstance(event, HandedUp):
            return
        for plan in plans:
            name, target = plan.role_set.name, plan.target
            if isinstance(event, TaskWarning):
                kitchen.watch(Warned(name, target, event.text))
            else:
                kitchen.watch(SetTask(name, target, event))

    return watch
