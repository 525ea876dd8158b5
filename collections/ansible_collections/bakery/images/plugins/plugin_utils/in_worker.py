# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module of this collection in Ansible's worker process instead of in a Python of its own.

The ordinary way zips the module with everything it imports, starts a Python and compiles the zip's content
there, for every task: about half a second of processor time. A worker is forked for each task and has the
module imported already, so the module's own ``main`` runs in it just as well, with the same arguments
checked by the same code, and leaves nothing behind for the next task.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.common.warnings import get_deprecation_messages, get_warning_messages
from ansible.plugins.action import ActionBase
from ansible.plugins.action.normal import ActionModule as OrdinaryAction
from ansible.utils.display import Display
from ansible_collections.bakery.images.plugins.module_utils.progress import listening

# How a line begins that says how far a module is.
PROGRESS = "bakery: "


class Finished(Exception):
    """The module is done; ``result`` is what it returns, success or failure."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__()
        self.result = result


class WorkerModule(AnsibleModule):
    """AnsibleModule whose arguments are handed over, and that ends by an exception instead of an exit."""

    arguments: ClassVar[dict[str, Any]]

    def _load_params(self) -> None:
        self.params = self.arguments

    def _return_formatted(self, kwargs: dict[str, Any]) -> NoReturn:
        """The result as the ordinary way would have it after its journey as JSON."""
        told = {"warnings": get_warning_messages(), "deprecations": get_deprecation_messages()}
        result = {"invocation": {"module_args": self.params}, **kwargs}
        result.update({name: list(messages) for name, messages in told.items() if messages})
        # As AnsibleModule does: a secret "True" must not blot out every flag.
        flags = {name: value for name, value in result.items() if value is None or isinstance(value, bool)}
        raise Finished(json.loads(json.dumps({**remove_values(result, self.no_log_values), **flags})))


def run_main(main: Callable[[type[AnsibleModule]], None], arguments: dict[str, Any]) -> dict[str, Any]:
    """Run a module's ``main`` here, with ``arguments`` as Ansible sends them; returns its result."""
    made = type("Module", (WorkerModule,), {"arguments": arguments})
    try:
        main(made)
    except Finished as finished:
        return finished.result
    raise RuntimeError(f"{main.__module__} ended without a result")


class WorkerAction(OrdinaryAction):
    """The action of a module that may run in the worker: subclasses name the module's ``main``."""

    main: ClassVar[Callable[[type[AnsibleModule]], None]]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See ActionBase."""
        variables = task_vars or {}
        if not self._belongs_here(variables):
            ordinary: dict[str, Any] = super().run(tmp, task_vars)
            return ordinary
        result: dict[str, Any] = ActionBase.run(self, tmp, task_vars)
        arguments = plain(self._task.args)
        self._update_module_args(self._task.action, arguments, variables)
        with listening(_show):
            return {**result, **run_main(type(self).main, arguments)}

    def _belongs_here(self, task_vars: Mapping[str, Any]) -> bool:
        """Whether the ordinary way would start the very Python that runs already, as the same user."""
        elsewhere = self._task.async_val or self._play_context.become or any(self._task.environment or ())
        return not elsewhere and self._connection.transport == "local" and self._has_our_python(task_vars)

    def _has_our_python(self, task_vars: Mapping[str, Any]) -> bool:
        host = self._task.delegate_to
        variables = task_vars.get("ansible_delegated_vars", {}).get(host, {}) if host else task_vars
        # Templates are left as they are in the variables that an action is given.
        return bool(self._templar.template(variables.get("ansible_python_interpreter")) == sys.executable)


def _show(text: str) -> None:
    """Show how far a module is. The mark tells it from all else that Ansible may say."""
    Display().display(f"{PROGRESS}{text}")


def plain(value: Any) -> Any:
    """A copy of a task's arguments in nothing but JSON's types: no tags, nothing that is templated later."""
    if isinstance(value, Mapping):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    if isinstance(value, str):
        return str.__str__(value)
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value
