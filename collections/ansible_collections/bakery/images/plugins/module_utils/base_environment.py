# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment that a base image brings along, for those who work on a machine of it."""

from __future__ import annotations

from collections.abc import Iterable

# Where Ansible and the programs that it runs look for others, whatever the base says.
_USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def base_environment(settings: Iterable[str]) -> dict[str, str]:
    """The variables of an image's ``Env`` (image-spec, config.md): ``NAME=value`` each.

    What is no such setting is left out. A PATH keeps its order and has the usual directories after it.
    """
    pairs = (str(setting).partition("=") for setting in settings)
    environment = {
        name: value for name, equals, value in pairs if name and equals and "\0" not in name + value
    }
    if "PATH" in environment:
        folders = [*environment["PATH"].split(":"), *_USUAL_PATH.split(":")]
        environment["PATH"] = ":".join(dict.fromkeys(folder for folder in folders if folder))
    return environment
