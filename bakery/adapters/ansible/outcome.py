"""Whether a finished run succeeded, and what to say if not."""

from __future__ import annotations

import re

from bakery.adapters.ansible.listener import Listener
from bakery.model.project import Timeouts
from bakery.model.run import PROVISION_PLAY, FailureKind, RunFailure

_ERROR = re.compile(r"^(?:\[ERROR\]: *|ERROR! *)")
# A file that is encrypted as a whole has no lines.
_ORIGIN = re.compile(r"^Origin: (?P<path>.+?(?::\d+)?)(?::\d+)?$")
_CONTEXT = re.compile(r"^(?:\s*\d+ |\s*\^|\s*$)")
_INTERRUPTED = "User interrupted execution"


def run_failure(
    listener: Listener, *, rc: int | None, stopped: FailureKind | None, timeouts: Timeouts
) -> RunFailure | None:
    """The failure of a run that ended with ``rc`` (None: by a signal); ``stopped`` is why bakery ended it, if
    it did.
    """
    if stopped is not None:
        return _stopped(listener, stopped, timeouts)
    if listener.failure is not None:
        return listener.failure
    if rc != 0:
        return _ansible_failure(listener, rc)
    if listener.stats is None or not listener.stats["processed"]:
        return RunFailure(kind=FailureKind.NO_HOST, message="no host matched: the run did nothing")
    return None


def _stopped(listener: Listener, reason: FailureKind, timeouts: Timeouts) -> RunFailure:
    messages = {
        FailureKind.CANCELLED: "interrupted",
        FailureKind.IDLE: (
            f"stopped after {timeouts.idle_s} s without any event\nhint: a task gives no sign of life until"
            " it ends; if this one takes so long, write a longer time at defaults.timeouts.idle in bakery.yml"
        ),
        FailureKind.TIMEOUT: (
            f"stopped after {timeouts.total_s} s, the time that a role may take in all\nhint: if it needs"
            " more, write a longer time at defaults.timeouts.total in bakery.yml"
        ),
    }
    place = listener.place
    if place is None:
        return RunFailure(kind=reason, message=messages[reason])
    return RunFailure(
        kind=reason,
        message=messages[reason],
        play=place.play,
        role=place.role,
        task=place.task,
        path=place.path,
    )


def _ansible_failure(listener: Listener, rc: int | None) -> RunFailure:
    """Ansible gave up before or between tasks: its own sentence and place out of what it printed.

    It is a role's failure if that place is in a role of the project.
    """
    lines = [line for text in listener.output for line in text.splitlines()]
    origins = (match["path"] for line in lines if (match := _ORIGIN.match(line)))
    sentence = _sentence(lines) or _ended_without_a_word(rc)
    path = next(origins, None)
    role = listener.role_of(path)
    return RunFailure(
        kind=FailureKind.ANSIBLE,
        message=listener.explained(sentence, role),
        play=f"{PROVISION_PLAY}{role}" if role else None,
        role=role,
        path=path,
    )


def _sentence(lines: list[str]) -> str:
    """The text of the first error, up to where it quotes the file; without an error, the last lines."""
    for number, line in enumerate(lines):
        if _ERROR.match(line) and _INTERRUPTED not in line:
            sentence = [_ERROR.sub("", line)]
            for more in lines[number + 1 :]:
                if _ERROR.match(more) or _ORIGIN.match(more) or _CONTEXT.match(more):
                    break
                sentence.append(more)
            return "\n".join(sentence).strip()
    return "\n".join(lines[-5:]).strip()


def _ended_without_a_word(rc: int | None) -> str:
    if rc is None or rc < 0:
        return "ansible-playbook was killed"
    return f"ansible-playbook failed with status {rc}"
