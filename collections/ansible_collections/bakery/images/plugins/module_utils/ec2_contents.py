# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in AMIs, as it was seen in the machines they were made of: an AMI itself cannot be looked into.

``machines/<id>/contents.json`` while there is no image yet, ``contents/<image id>.json`` as long as there is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    canonical_json,
    fsync_directory,
    write_atomically,
)
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines

_IMAGE_ID = re.compile(r"ami-[0-9a-f]+")


class ImageContents:
    """The contents of images below the target's directory ``root``."""

    def __init__(self, root: str) -> None:
        self._machines = Machines(root)
        self._directory = self._machines.shared("contents")

    def take(self, machine_id: str, contents: Mapping[str, Any]) -> None:
        """Write down what is in a machine."""
        path = self._machines.path(machine_id, "contents.json")
        write_atomically(path, canonical_json(contents) + b"\n")

    def keep(self, machine_id: str, image_id: str) -> dict[str, Any]:
        """Keep what was in the machine as what is in the image that was made of it.

        Returns what the image's artifact tells of it: ``contents``, the path, ``packages``, pairs of name and
        version, and what was ``sealed``. It is empty if nobody looked into the machine.
        """
        path = self.path(image_id)
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            with suppress(FileNotFoundError):
                os.rename(self._machines.path(machine_id, "contents.json"), path)
                fsync_directory(self._directory)
        except OSError as error:
            raise MachineFailure(f"{path} cannot be written: {error.strerror}") from error
        contents = self.find(image_id)
        if not contents:
            return {}
        sealed = {"sealed": contents["sealed"]} if "sealed" in contents else {}
        packages = [list(pair) for pair in sorted(contents["packages"].items())]
        return {"contents": path, "packages": packages, **sealed}

    def find(self, image_id: str) -> dict[str, Any]:
        """What is in the image; empty if that is not known here."""
        path = self.path(image_id)
        try:
            with open(path, "rb") as source:
                contents: dict[str, Any] = json.load(source)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise MachineFailure(f"{path} cannot be read ({error}); bake the image again") from error
        return contents

    def forget(self, image_ids: Iterable[str]) -> None:
        """Remove what is known of images that are gone."""
        for image_id in image_ids:
            path = self.path(image_id)
            try:
                with suppress(FileNotFoundError):
                    os.unlink(path)
            except OSError as error:
                raise MachineFailure(f"{path} cannot be removed: {error.strerror}") from error

    def path(self, image_id: str) -> str:
        """Where the contents of an image are."""
        if not _IMAGE_ID.fullmatch(image_id):
            raise MachineFailure(f"'{image_id}' is not the id of an AMI")
        return os.path.join(self._directory, f"{image_id}.json")
