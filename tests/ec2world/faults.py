"""What goes wrong on purpose: rules that a call meets on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from tests.ec2world.calls import Call

Hook = Callable[[Call], object]


@dataclass
class Rule:
    """Calls of ``action`` (``*``: of any) that ``when`` agrees to; ``times`` of them, after ``skip`` others.

    In this order: ``before`` runs; with ``code`` the call fails without being executed; it is executed;
    ``after`` runs; with ``drop`` the connection is closed without an answer. ``dry`` says whether it is for
    dry runs, which do nothing; None: for both.
    """

    action: str
    times: int | None = None
    skip: int = 0
    code: str = ""
    message: str = ""
    status: int = 400
    drop: bool = False
    before: Hook | None = None
    after: Hook | None = None
    when: Callable[[Call], bool] | None = None
    dry: bool | None = False
    hits: int = 0
    _seen: int = field(default=0, repr=False)

    def meets(self, call: Call) -> bool:
        """Whether the rule is for this call; counts it."""
        if self.action not in ("*", call.action) or self.dry not in (None, call.dry):
            return False
        if self.when and not self.when(call):
            return False
        self._seen += 1
        if self._seen <= self.skip or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._lock = Lock()

    def add(self, rule: Rule) -> Rule:
        """Put a rule in force, after those that are; its ``hits`` tell how many calls met it."""
        with self._lock:
            self.rules.append(rule)
        return rule

    def fail(self, action: str, code: str, **more: Any) -> Rule:
        """Refuse the next call of ``action`` with an error code; ``times=None``: every call."""
        return self.add(Rule(action, code=code, **{"times": 1, **more}))

    def forbid(self, action: str) -> Rule:
        """Take the permission for ``action`` from the caller: a dry run tells that, too."""
        message = "You are not authorized to perform this operation."
        return self.fail(action, "UnauthorizedOperation", message=message, status=403, times=None, dry=None)

    def drop(self, action: str, **more: Any) -> Rule:
        """Execute the next call of ``action``, and lose the answer."""
        return self.add(Rule(action, drop=True, **{"times": 1, **more}))

    def throttle(self, action: str = "*", **more: Any) -> Rule:
        """Refuse calls as AWS does when there are too many of them."""
        message = "Request limit exceeded."
        more = {"times": 3, "status": 503, "message": message, **more}
        return self.add(Rule(action, code="RequestLimitExceeded", **more))

    def before(self, action: str, hook: Hook, **more: Any) -> Rule:
        """Run ``hook(call)`` before a call of ``action`` is executed."""
        return self.add(Rule(action, before=hook, **more))

    def after(self, action: str, hook: Hook, **more: Any) -> Rule:
        """Run ``hook(call)`` when a call of ``action`` was executed, before its answer leaves."""
        return self.add(Rule(action, after=hook, **more))

    def remove(self, rule: Rule) -> None:
        with self._lock:
            self.rules.remove(rule)

    def clear(self) -> None:
        with self._lock:
            self.rules.clear()

    def met_by(self, call: Call) -> list[Rule]:
        """The rules for a call, in the order they were added."""
        with self._lock:
            return [rule for rule in self.rules if rule.meets(call)]
