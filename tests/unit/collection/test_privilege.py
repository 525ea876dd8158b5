"""Who may make machines."""

from __future__ import annotations

import os
from multiprocessing import get_context

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.privilege import require_root


def said_to(user: int) -> str:
    """What a process of ``user`` is told."""
    with get_context("fork").Pool(1) as pool:
        return pool.apply(_try, (user,))


def _try(user: int) -> str:
    if os.geteuid() != user:
        os.setresuid(user, user, user)
    try:
        require_root("starting a machine")
    except MachineFailure as refusal:
        return str(refusal)
    return ""


def test_an_ordinary_user_is_told_what_needs_root_and_what_to_do() -> None:
    assert said_to(65534) == "starting a machine needs root, and this is user 65534; run it with sudo"


def test_root_is_let_through() -> None:
    assert said_to(0) == ""
