# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at instances and images that several bakes of one home wait for: one of them asks for all.

For each region and kind there is a file with what the last answer said and what is wanted. Its lock is held
while somebody asks, so that whoever comes meanwhile finds the answer that is on its way.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws
from ansible_collections.bakery.images.plugins.module_utils.ec2_images import find_image

Found = dict[str, dict[str, Any]]
Ask = Callable[[Sequence[str]], Found]

# An answer that old is as good as a new one: together with the pause between looks it is noticed within 3 s.
FRESH_S = 0.5
# Who has not asked for that long waits no more.
_WAITS_S = 30.0
# A call may be retried for a minute where EC2 has no time; nobody else should wait for that.
_LOCK_S, _LOCK_PAUSE_S = 2.0, 0.05
# No part of who one is, and not to be on a disk even as a digest.
_SECRET = frozenset({"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})


class Looks:
    """Looks in one region. Without a ``directory`` to share, each is a call of its own."""

    def __init__(
        self, aws: Aws, directory: str | None = None, *, now: Callable[[], float] = time.time
    ) -> None:
        self._aws = aws
        self._directory = directory
        self._now = now

    def instance(self, instance_id: str) -> dict[str, Any] | None:
        """The instance as EC2 describes it; None where EC2 does not know it (yet)."""
        return self._look("instances", instance_id, self._instances)

    def image(self, image_id: str) -> dict[str, Any] | None:
        """The same for an image."""
        if self._directory is None:
            return find_image(self._aws, image_id)
        return self._look("images", image_id, self._images)

    def _instances(self, ids: Sequence[str]) -> Found:
        about = f"look at instance {', '.join(ids)}"
        filters = [{"Name": "instance-id", "Values": list(ids)}]
        answer = self._aws.call("describe_instances", about, Filters=filters)
        return {
            instance["InstanceId"]: instance
            for reservation in answer["Reservations"]
            for instance in reservation["Instances"]
        }

    def _images(self, ids: Sequence[str]) -> Found:
        about = f"look at image {', '.join(ids)}"
        filters = [{"Name": "image-id", "Values": list(ids)}]
        answer = self._aws.call("describe_images", about, Filters=filters, IncludeDeprecated=True)
        # Images that were deregistered are still told of for a while.
        return {image["ImageId"]: image for image in answer["Images"] if image.get("State") != "deregistered"}

    def _look(self, kind: str, wanted: str, ask: Ask) -> dict[str, Any] | None:
        if self._directory is None:
            return ask([wanted]).get(wanted)
        with _board(os.path.join(self._directory, f"{self._scope()}-{kind}.json")) as board:
            if board is None:
                return ask([wanted]).get(wanted)
            return self._together(board, wanted, ask)

    def _together(self, board: IO[str], wanted: str, ask: Ask) -> dict[str, Any] | None:
        known, now = _read(board), self._now()
        waiting = {one: at for one, at in known["waiting"].items() if 0 <= now - at < _WAITS_S}
        waiting[wanted] = now
        known["waiting"] = waiting
        if not (0 <= now - known["at"] < FRESH_S and wanted in known["asked"]):
            known |= {"at": now, "asked": sorted(waiting), "found": ask(sorted(waiting))}
        _write(board, known)
        found: dict[str, Any] | None = known["found"].get(wanted)
        return found

    def _scope(self) -> str:
        """The region and, as far as this process can know it without a call, who asks."""
        told = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        who = json.dumps({name: told[name] for name in sorted(told.keys() - _SECRET)})
        return f"{self._aws.region}-{hashlib.sha256(who.encode()).hexdigest()[:12]}"


@contextmanager
def _board(path: str) -> Iterator[IO[str] | None]:
    """The file, locked; None where that is not to be had in time."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    except OSError:
        yield None
        return
    with file:
        yield file if _locked(file) else None


def _locked(file: IO[str]) -> bool:
    deadline = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOCK_PAUSE_S)
        else:
            return True


def _read(board: IO[str]) -> dict[str, Any]:
    """What the file says; nothing where it was cut short."""
    try:
        known = json.load(board)
        return {name: known[name] for name in ("at", "asked", "found", "waiting")}
    except (ValueError, KeyError, TypeError):
        return {"at": 0.0, "asked": [], "found": {}, "waiting": {}}


def _write(board: IO[str], known: Mapping[str, Any]) -> None:
    """Keep it for others; where there is no room for it, they ask themselves."""
    try:
        board.seek(0)
        board.truncate()
        json.dump(known, board, default=str)
        board.flush()
    except OSError:
        return
