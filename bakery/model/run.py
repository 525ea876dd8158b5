"""One run of Ansible as bakery sees it: what goes down, what comes back up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from bakery.model.project import NO_SECRETS, RoleUse, Secrets, Timeouts, VaultSpec

# How the name of the play that applies a role begins; the role's name follows.
PROVISION_PLAY = "Apply role "
# The play that captures a machine that has all roles.
CAPTURE_PLAY = "Capture an image"
# The play that boots what was captured; the checks follow it.
BOOT_PLAY = "Boot an image"


@dataclass(frozen=True)
class Provision:
    """The plays that apply one role each, in order, on the host ``machine``.

    ``environment`` is set for every task of them (SOURCE_DATE_EPOCH and the like).
    """

    uses: tuple[RoleUse, ...]
    roles_path: tuple[Path, ...]
    vault: VaultSpec
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """One ansible-playbook process.

    ``playbook`` is a file name in ``playbooks/``; ``variables`` are the wire's ``bakery_*`` extra variables
    and hold no secret.
    ``project_root`` is the user's project (relative lookups of roles resolve there).
    ``secrets`` is what nothing that comes back may hold, whether the run has to do with it or not.
    """

    playbook: str
    variables: Mapping[str, Any]
    project_root: Path
    provision: Provision | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    secrets: Secrets = NO_SECRETS


class FailureKind(Enum):
    """Why a run did not succeed."""

    TASK = "task"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"
    IDLE = "idle timeout"
    TIMEOUT = "total timeout"
    NO_HOST = "no host matched"
    ANSIBLE = "ansible"


@dataclass(frozen=True)
class RunFailure:
    """The first failure of a run, fit to be shown: values under ``no_log`` and from vaults are not in it.

    ``play`` is the name of the play; ``role`` is None outside roles; ``path`` is ``file:line`` of the task.
    ``details`` is what a module said about a known trouble (``bakery_error`` in its result), such as
    ``{"kind": "layer_corrupt", "layer": id}``.
    """

    kind: FailureKind
    message: str
    play: str | None = None
    role: str | None = None
    task: str | None = None
    path: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunResult:
    """The end of a run; ``up`` is what the steps handed up through ``set_stats`` under the name
    ``bakery``.
    """

    up: Mapping[str, Any]
    failure: RunFailure | None
    seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskStarted:
    """A task begins. ``number`` counts the tasks of the run from 1."""

    play: str
    role: str | None
    task: str
    number: int


@dataclass(frozen=True)
class TaskProgress:
    """How far the task is that began last, in its own words."""

    text: str


@dataclass(frozen=True)
class TaskEnded:
    """A task ended on the machine; ``status`` is ok, changed, skipped, failed, ignored or unreachable."""

    play: str
    role: str | None
    task: str
    status: str
    seconds: float


@dataclass(frozen=True)
class TaskWarning:
    """Ansible or a module warned of something; a run says each warning once."""

    text: str


@dataclass(frozen=True)
class HandedUp:
    """A step handed something up; ``up`` is what it was, as in ``RunResult.up``."""

    up: Mapping[str, Any]


RunEvent = TaskStarted | TaskProgress | TaskEnded | TaskWarning | HandedUp
