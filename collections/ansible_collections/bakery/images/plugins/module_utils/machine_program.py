# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs of ours inside a machine: they come through the way in and are never a file of its own.

A program is a module of this package that needs nothing but the standard library. Sent as text it finds
``__name__`` to be ``__sent__`` and what it is asked in ``REQUEST``, and leaves its answer in ``ANSWER``.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

_START = (
    "import json, sys; "
    "answers = [exec(compile(one['PROGRAM'], 'sent', 'exec'), one) or one['ANSWER'] "
    "for one in json.load(sys.stdin)]; json.dump(answers, sys.stdout)"
)

Asked = tuple[ModuleType, Mapping[str, Any]]


def run_programs(
    exec_words: Sequence[str], asked: Sequence[Asked], *, interpreter: str, timeout_s: float
) -> list[dict[str, Any]]:
    """Run programs, one after the other in one process, in the machine that the words lead into.

    Returns the answer of each. MachineFailure if one ends without, or has ``failed`` in its answer.
    """
    given = [
        {"__name__": "__sent__", "PROGRAM": program_text(program), "REQUEST": request}
        for program, request in asked
    ]
    words = [*exec_words, interpreter, "-I", "-B", "-c", _START]
    try:
        done = subprocess.run(
            words, input=json.dumps(given).encode(), capture_output=True, check=False, timeout=timeout_s
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineFailure(str(error)) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise MachineFailure(said or f"exit status {done.returncode}")
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    for answer in answers:
        if "failed" in answer:
            raise MachineFailure(str(answer["failed"]))
    return answers


def program_text(program: ModuleType) -> str:
    """The text of a program."""
    # In Ansible's zip there is no file, and the loader of collections has bytes.
    loader: Any = program.__loader__
    source: str | bytes = loader.get_source(program.__name__)
    return source if isinstance(source, str) else source.decode()
