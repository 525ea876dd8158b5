"""An Ansible that plays the target's steps: it keeps machines and layers in sets, and records every run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bakery.model.fingerprint import fingerprint
from bakery.model.run import (
    PROVISION_PLAY,
    FailureKind,
    HandedUp,
    Run,
    RunFailure,
    RunResult,
    TaskEnded,
    TaskStarted,
    TaskWarning,
)
from bakery.ports import Ansible, Cancel, TaskWatch

CHECKS_PASS = {"passed": 3, "failed": 0, "report": "report.json", "failures": []}
CHECKS_FAIL = {
    "passed": 2,
    "failed": 1,
    "report": "report.json",
    "failures": [{"check": "test_nginx.py::test_serves", "message": "assert 502 == 200"}],
}
CHECKS_NONE: dict[str, Any] = {"passed": 0, "failed": 0, "report": None, "failures": []}


def task_failure(role: str | None, message: str = "it broke", **changes: Any) -> RunFailure:
    """A failed task of ``role``."""
    return RunFailure(
        **{
            "kind": FailureKind.TASK,
            "message": message,
            "play": f"Apply role {role}" if role else "Launch a machine",
            "role": role,
            "task": "Do it",
            "path": f"roles/{role}/tasks/main.yml:3",
            **changes,
        }
    )


class FakeAnsible:
    """What it plays is set by its public attributes.

    ``machines`` are those launched and not discarded. ``failures`` maps a label (``layer nginx``, ``image
    web``, ``base bookworm``, ``discard``) to how that fails, ``corrupt`` holds layer ids that the store lost,
    ``contents`` what a role's layer holds, ``checks`` the outcome per role set. ``before`` is called with the
    label at the start of each. A run that makes the last layer and its image counts as ``layer nginx`` and
    ``image web``, one after the other; ``playbooks`` has it as what it is. ``shared`` are the images that
    whoever uses the target finds, by fingerprint and digest of the checks. ``reports`` are what the steps
    ``lost``, ``estimate``, ``inspect``, ``sweep`` and ``discard`` say. ``up`` is what a run that fails handed
    up before that, by its label; a layer's run has launched its machine then, unless Ansible could not even
    begin. ``warnings`` are what a run warns of.
    """

    def __init__(self, cancel: Cancel, write: Callable[[str], None]) -> None:
        self.runs: list[Run] = []
        self.playbooks: list[str] = []
        self.machines: set[str] = set()
        self.failures: dict[str, RunFailure] = {}
        self.up: dict[str, Mapping[str, Any]] = {}
        self.warnings: dict[str, tuple[str, ...]] = {}
        self.corrupt: set[str] = set()
        self.contents: dict[str, str] = {}
        self.checks: dict[str, Mapping[str, Any]] = {}
        self.reports: dict[str, Mapping[str, Any]] = {}
        self.shared: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.before: Callable[[str], None] = lambda _: None
        self._cancel = cancel
        self._write = write
        self._guard = threading.Lock()
        self._made = 0

    def run(self, run: Run, watch: TaskWatch) -> RunResult:
        return self._run(run, watch, self._cancel.requested)

    def shielded(self) -> Ansible:
        return _Shielded(self)

    def labels(self) -> list[str]:
        """The labels of the runs, in order."""
        return [label_of(run) for run in self.runs]

    def variables_of(self, label: str) -> Mapping[str, Any]:
        """The extra variables of the only run with this label."""
        (run,) = (one for one in self.runs if label_of(one) == label)
        return run.variables

    def _run(self, run: Run, watch: TaskWatch, cancelled: Callable[[], bool]) -> RunResult:
        self.playbooks.append(run.playbook)
        if run.playbook != "last_layer.yml":
            return self._step(run, watch, cancelled)
        layer = self._step(_layer_part(run), watch, cancelled)
        if layer.failure:
            return layer
        watch(HandedUp(layer.up))
        image = self._step(_image_part(run, layer.up["layer"]), watch, cancelled)
        return RunResult({**layer.up, **image.up}, image.failure, layer.seconds + image.seconds)

    def _step(self, run: Run, watch: TaskWatch, cancelled: Callable[[], bool]) -> RunResult:
        label = label_of(run)
        with self._guard:
            self.runs.append(run)
            self._write(f"run {label}")
        self._launch(run)
        self.before(label)
        if run.provision:
            for number, use in enumerate(run.provision.uses, 1):
                play = f"{PROVISION_PLAY}{use.name}"
                watch(TaskStarted(play, use.name, "Do it", number))
                watch(TaskEnded(play, use.name, "Do it", "changed", 0.1))
        for text in self.warnings.get(label, ()):
            watch(TaskWarning(text))
        failure = self._failure(run, label, cancelled)
        if failure:
            return RunResult(self.up.get(label, _launched(run, failure)), failure, 1.0)
        with self._guard:
            return RunResult(_STEPS[run.playbook](self, run.variables), None, 1.0)

    def _launch(self, run: Run) -> None:
        if run.playbook in {"layer.yml", "image.yml", "shell.yml", "verify.yml"}:
            self.machines.add(run.variables["bakery_machine_id"])
        if run.playbook == "whole.yml":
            self.machines.update(
                run.variables[f"bakery_{which}_machine_id"] for which in ("builder", "image")
            )

    def _failure(self, run: Run, label: str, cancelled: Callable[[], bool]) -> RunFailure | None:
        if cancelled():
            return RunFailure(FailureKind.CANCELLED, "cancelled")
        used = (*run.variables.get("bakery_parents", ()), *run.variables.get("bakery_layers", ()))
        for layer in used:
            if layer in self.corrupt:
                details = {"kind": "layer_corrupt", "layer": layer}
                return task_failure(None, f"layer {layer} is corrupt", details=details)
        return self.failures.get(label)

    def _number(self) -> int:
        self._made += 1
        return self._made

    def _base(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        name = variables["bakery_base"]["name"]
        made = {
            "name": name,
            "layers": [{"id": f"base-{name}-{self._number()}"}],
            "digest": self.contents.get(name, f"content of {name}"),
            "epoch": 1_700_000_000,
            "architecture": "amd64",
            "systemd": True,
            "config": {"Env": ["PATH=/usr/bin"]},
            "resolved": name,
            "created": "2024-05-01T00:00:00Z",
        }
        return {"base": made}

    def _layer(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        self.machines.discard(variables["bakery_machine_id"])
        role = variables["bakery_layer"]["role"]
        content = self.contents.get(role, role)
        return {
            "layer": {
                "id": f"{role}-{self._number()}",
                "digest": f"sha256:{fingerprint(content)}",
                "size": 1000,
            }
        }

    def _image(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        image = variables["bakery_image"]
        checks = self.checks.get(image["name"], CHECKS_PASS)
        if not variables["bakery_keep_machine"]:
            self.machines.discard(variables["bakery_machine_id"])
        verified = not checks["failed"] and checks["passed"]
        return {
            "artifact": {
                "kind": "oci-image",
                "id": f"sha256:{fingerprint('id', variables['bakery_layers'])}",
                "digest": f"sha256:{fingerprint('manifest', image['fingerprint'])}",
                "location": "oci:store",
                "paths": [],
            },
            "checks": checks,
            "names": variables["bakery_names"] if verified else [],
            "machine": {"id": variables["bakery_machine_id"]},
        }

    def _whole(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        self.machines.discard(variables["bakery_builder_machine_id"])
        up = self._image({**variables, "bakery_machine_id": variables["bakery_image_machine_id"]})
        if up["names"]:
            told = variables["bakery_image"]
            self.shared[told["fingerprint"], told["checks_digest"]] = up
        return up

    def _find(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        asked = variables["bakery_fingerprint"], variables["bakery_checks_digest"]
        return {"found": self.shared.get(asked, {})}

    def _point(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        artifact = {**variables["bakery_artifact"], "regions": ["everywhere"]}
        return {"artifact": artifact, "names": variables["bakery_names"]}

    def _lost(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"lost": self.reports.get("lost", {})}

    def _estimate(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        found = self.shared.get(
            (variables.get("bakery_fingerprint", ""), variables.get("bakery_checks_digest", "")), {}
        )
        told = {
            **self._base(variables),
            "estimate": {"calls": []},
            "sections": [],
            "found": found.get("artifact", {}),
        }
        return {**told, **self.reports.get("estimate", {})}

    def _discard(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        self.machines.discard(variables["bakery_machine_id"])
        return dict(self.reports.get("discard", {}))

    def _shell(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"machine": {"id": variables["bakery_machine_id"]}}

    def _verify(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        self.machines.discard(variables["bakery_machine_id"])
        return {"checks": CHECKS_PASS}

    def _inspect(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        if variables.get("bakery_contents"):
            told = self.reports.get(f"contents {variables['bakery_artifact']['id']}", {})
            return {"report": {"contents": told}}
        return {"report": self.reports.get("inspect", {})}

    def _sweep(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"swept": self.reports.get("sweep", {"machines": []})}

    def _prune(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"pruned": {"layers": 0, "blobs": 0, "bytes": 0}}

    def _load(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"loaded": {"names": variables["bakery_names"]}}

    def _export(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"exported": variables["bakery_export"]}


def _layer_part(run: Run) -> Run:
    told = {**run.variables, "bakery_machine_id": run.variables["bakery_layer_machine_id"]}
    return replace(run, playbook="layer.yml", variables=told)


def _image_part(run: Run, layer: Mapping[str, Any]) -> Run:
    told = dict(run.variables)
    step = {"layer": layer["id"], "created_by": told["bakery_layer"]["created_by"]}
    below = told.pop("bakery_image_below")
    told["bakery_image"] = {**below, "history": [*below["history"], step]}
    told["bakery_layers"] = [*told.pop("bakery_layers_below"), layer["id"]]
    told["bakery_machine_id"] = told["bakery_image_machine_id"]
    del told["bakery_parents"]
    return replace(run, playbook="image.yml", variables=told, provision=None)


class _Shielded:
    """The same target for one who cleans up: nobody cancels it."""

    def __init__(self, ansible: FakeAnsible) -> None:
        self._ansible = ansible

    def run(self, run: Run, watch: TaskWatch) -> RunResult:
        return self._ansible._run(run, watch, lambda: False)

    def shielded(self) -> Ansible:
        return self


_STEPS: dict[str, Callable[[FakeAnsible, Mapping[str, Any]], dict[str, Any]]] = {
    "base.yml": FakeAnsible._base,
    "layer.yml": FakeAnsible._layer,
    "image.yml": FakeAnsible._image,
    "whole.yml": FakeAnsible._whole,
    "find.yml": FakeAnsible._find,
    "point.yml": FakeAnsible._point,
    "lost.yml": FakeAnsible._lost,
    "estimate.yml": FakeAnsible._estimate,
    "discard.yml": FakeAnsible._discard,
    "shell.yml": FakeAnsible._shell,
    "verify.yml": FakeAnsible._verify,
    "inspect.yml": FakeAnsible._inspect,
    "sweep.yml": FakeAnsible._sweep,
    "prune.yml": FakeAnsible._prune,
    "load.yml": FakeAnsible._load,
    "export.yml": FakeAnsible._export,
}


def _launched(run: Run, failure: RunFailure) -> Mapping[str, Any]:
    began = run.playbook == "layer.yml" and failure.kind is not FailureKind.ANSIBLE
    return {"machine": {"id": run.variables["bakery_machine_id"]}} if began else {}


def label_of(run: Run) -> str:
    """``layer ROLE``, ``image SET``, ``base NAME``, or the playbook's name alone."""
    step = run.playbook.removesuffix(".yml")
    subject = {
        "layer": lambda told: told["bakery_layer"]["role"],
        "image": lambda told: told["bakery_image"]["name"],
        "whole": lambda told: told["bakery_image"]["name"],
        "base": lambda told: told["bakery_base"]["name"],
    }.get(step)
    return f"{step} {subject(run.variables)}" if subject else step
