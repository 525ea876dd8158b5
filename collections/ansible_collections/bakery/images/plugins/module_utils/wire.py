# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules have in common on their way in and out: options, and what a failure says."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bakery.images.plugins.module_utils.failure import BaseGone, MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerCorrupt, StoreError

HOME_OPTION: dict[str, Any] = {"home": {"type": "path", "required": True}}

REGION_OPTION: dict[str, Any] = {"region": {"type": "str"}}

OWNER_OPTIONS: dict[str, Any] = {
    "owner": {
        "type": "dict",
        "options": {
            "bake": {"type": "str", "default": ""},
            "pid": {"type": "int", "required": True},
            "start": {"type": "int", "required": True},
            "boot": {"type": "str", "required": True},
        },
    },
    "ttl_s": {"type": "int", "default": 86400},
}


def failure(error: Exception) -> dict[str, Any]:
    """The arguments of ``fail_json``: a sentence and, for a caller that can mend it, what the trouble is."""
    result: dict[str, Any] = {"msg": encodable(str(error))}
    if isinstance(error, LayerCorrupt):
        result["bakery_error"] = {"kind": "layer_corrupt", "layer": error.layer_id}
    if isinstance(error, BaseGone):
        result["bakery_error"] = {"kind": "base_gone"}
    return result


def run_module(
    make_module: type[AnsibleModule],
    ensure: Callable[..., dict[str, Any]],
    *,
    common: Mapping[str, Any] | None = None,
    **settings: Any,
) -> None:
    """Run a module from its arguments to its result; this ends the process.

    ``ensure(params, apply=…)`` returns the result; without ``apply``, which is check mode, it changes
    nothing. ``warnings`` in it are issued. MachineFailure, StoreError and OSError become the module's
    failure. ``settings`` are AnsibleModule's own; the options ``common`` join its ``argument_spec``, by
    default the home that most modules work on.
    """
    common = HOME_OPTION if common is None else common
    settings["argument_spec"] = {**common, **settings.get("argument_spec", {})}
    module = make_module(supports_check_mode=True, **settings)
    params = dict(module.params)
    if params.get("home"):
        # Engines want the place itself of a tree they run, not a link to it.
        params["home"] = os.path.realpath(params["home"])
    try:
        result = ensure(params, apply=not module.check_mode)
    except (MachineFailure, StoreError) as error:
        module.fail_json(**failure(error))
    except OSError as error:  # a disk that is full or read-only, or fails: each is told with its place
        place = f"{error.filename}: " if error.filename else ""
        module.fail_json(msg=encodable(f"{place}{error.strerror or error}"))
    for warning in result.pop("warnings", ()):
        module.warn(encodable(warning))
    module.exit_json(**encodable(result))


def encodable(value: Any) -> Any:
    """The value with bytes of file names that are not UTF-8 as escapes: no result can hold them."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {encodable(key): encodable(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [encodable(one) for one in value]
    return value
