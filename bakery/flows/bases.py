"""Make sure a base is there: made once, remembered, renewed on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakery.errors import MachineError
from bakery.flows.handed_up import handed_up
from bakery.flows.kitchen import Kitchen, LayerCorrupt, minded_machine, now_text
from bakery.model.project import BaseSpec
from bakery.model.records import BaseRecord
from bakery.planning import base_spec
from bakery.ports import TaskWatch


def ensure_base(
    kitchen: Kitchen, target: str, base: BaseSpec, *, refresh: bool = False, watch: TaskWatch | None = None
) -> BaseRecord:
    """The record of ``base`` on ``target``; it is made if it is not there, or anyway with ``refresh``."""
    spec = base_spec(base)
    before = kitchen.catalog.bases().get((target, spec))
    if before and not refresh:
        return before
    lock = f"base-{target}-{spec}"
    with kitchen.locks.hold(lock, lambda: _say_waiting(kitchen, base, lock)):
        now = kitchen.catalog.bases().get((target, spec))
        if now and now != before:
            return now  # somebody else made it while we waited
        try:
            with minded_machine(kitchen, target, purpose="base", role_set=base.name) as machine:
                up = kitchen.run(
                    "base.yml",
                    target,
                    {
                        "bakery_machine_id": machine.id,
                        "bakery_base": {"name": base.name, "source": {base.kind: dict(base.options)}},
                        "bakery_base_refresh": refresh or before is None,
                    },
                    watch=watch,
                )
                machine.gone()
        except LayerCorrupt:
            raise
        except MachineError as error:
            raise MachineError(error.message, where=base.where, hint=error.hint) from error
        record = base_record(target, base, handed_up(up, "base", target))
        kitchen.catalog.add_base(record)
        return record


def _say_waiting(kitchen: Kitchen, base: BaseSpec, lock: str) -> None:
    what = f"base '{base.name}' is being made by another bake: waiting for it"
    kitchen.say_waiting(None, what, lock=lock)


def base_record(target: str, base: BaseSpec, made: Mapping[str, Any]) -> BaseRecord:
    """The record of a base that the target handed up."""
    return BaseRecord(
        target=target,
        name=base.name,
        spec=base_spec(base),
        digest=str(made["digest"]),
        epoch=int(made["epoch"]),
        architecture=str(made["architecture"]),
        systemd=bool(made["systemd"]),
        layers=tuple(made["layers"]),
        config=made["config"],
        resolved=str(made["resolved"]),
        made=now_text(),
    )
