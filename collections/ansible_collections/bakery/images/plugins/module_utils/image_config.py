# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``config`` object of an image: what a role set says about its image, laid over its base's.

Fields: image-spec 1.1, config.md; ``Healthcheck``: the Docker image specification 1.2, which podman and
Docker read and image-spec tolerates.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.foreign_json import quoted
from ansible_collections.bakery.images.plugins.module_utils.image_settings import PORT, decode_settings
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError
from ansible_collections.bakery.images.plugins.module_utils.podman import LABEL

_DURATION = re.compile(r"\A(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?\Z")
_NANOSECONDS = 1_000_000_000
_SYSTEMD_STOP_SIGNAL = "SIGRTMIN+3"
INIT = "/sbin/init"


def image_config(image: dict[str, Any], base: dict[str, Any], *, has_init: bool) -> dict[str, Any]:
    """The OCI config object.

    ``image``: entrypoint, cmd, env, ports, labels, user, workdir, healthcheck, stop_signal, volumes, each
    optional; ``base``: an OCI config object. An entrypoint without a cmd drops the base's Cmd, as it was for
    another entrypoint. With neither, and ``has_init``, the image boots its init and stops as systemd wants.
    Raises StoreError for values that no engine would take, or that it could take for something else.
    """
    config: dict[str, Any] = {**decode_settings(base, of="the configuration of the base image")}
    if image.get("entrypoint") is not None:
        config["Entrypoint"] = _argv("entrypoint", image["entrypoint"])
        config.pop("Cmd", None)
    if image.get("cmd") is not None:
        config["Cmd"] = _argv("cmd", image["cmd"])
    _lay_over(config, image)
    for key, ours in (("User", "user"), ("WorkingDir", "workdir"), ("StopSignal", "stop_signal")):
        if image.get(ours) is not None:
            config[key] = str(image[ours])
    if image.get("healthcheck"):
        config["Healthcheck"] = _healthcheck(image["healthcheck"])
    if has_init and not config.get("Entrypoint") and not config.get("Cmd"):
        config["Cmd"] = [INIT]
        config.setdefault("StopSignal", _SYSTEMD_STOP_SIGNAL)
    return {**decode_settings(config, of="the image's configuration")}


def _lay_over(config: dict[str, Any], image: dict[str, Any]) -> None:
    environment = {**_environment(config.get("Env")), **_environment(image.get("env"))}
    labels = _without_ours(config.pop("Labels", {}))
    labels |= {str(key): str(value) for key, value in (image.get("labels") or {}).items()}
    ports = {**config.get("ExposedPorts", {}), **{_port(port): {} for port in image.get("ports") or ()}}
    volumes = {**config.get("Volumes", {}), **{str(path): {} for path in image.get("volumes") or ()}}
    found = {
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "Labels": labels,
        "ExposedPorts": ports,
        "Volumes": volumes,
    }
    config.update({key: value for key, value in found.items() if value})


def _without_ours(labels: dict[str, str]) -> dict[str, str]:
    """A base's labels but those that machines have: engines give an image's to each of its containers.

    The sweep would take the container of a user, if its image says so, for the machine of a dead bake.
    """
    return {name: text for name, text in labels.items() if not name.startswith(f"{LABEL}.")}


def _argv(key: str, value: Any) -> list[str]:
    """A command: a list as it is, a string through the shell, as in a Containerfile."""
    if isinstance(value, str):
        return ["/bin/sh", "-c", value]
    if isinstance(value, (list, tuple)):
        return [str(word) for word in value]
    raise StoreError(f"the image's {key} is neither a list of words nor a string")


def _environment(value: Any) -> dict[str, str]:
    if not value:
        return {}
    if isinstance(value, dict):
        return {str(name): str(text) for name, text in value.items()}
    pairs = (str(pair).partition("=") for pair in value)
    return {name: text for name, _equals, text in pairs}


def _port(value: Any) -> str:
    text = str(value)
    if not PORT.match(text):
        raise StoreError(f"{quoted(text)} is not a port of an image; write 80 or 53/udp")
    return text if "/" in text else f"{text}/tcp"


def _healthcheck(check: dict[str, Any]) -> dict[str, Any]:
    """``test`` (or ``cmd``): a list of words or a shell command; times in seconds or like ``1m30s``."""
    command = check.get("test", check.get("cmd"))
    if isinstance(command, str):
        test = ["CMD-SHELL", command]
    elif isinstance(command, (list, tuple)) and command:
        words = [str(word) for word in command]
        test = words if words[0] in ("NONE", "CMD", "CMD-SHELL") else ["CMD", *words]
    else:
        raise StoreError("the image's healthcheck has no 'test': a list of words or a shell command")
    found: dict[str, Any] = {"Test": test}
    for key, ours in (("Interval", "interval"), ("Timeout", "timeout"), ("StartPeriod", "start_period")):
        if check.get(ours) is not None:
            found[key] = _nanoseconds(ours, check[ours])
    if check.get("retries") is not None:
        found["Retries"] = int(check["retries"])
    return found


def _nanoseconds(key: str, value: Any) -> int:
    try:
        return round(float(value) * _NANOSECONDS)
    except (TypeError, ValueError):
        match = _DURATION.match(str(value))
    if not match or not any(match.groups()):
        raise StoreError(f"the healthcheck's {key} '{value}' is no duration; write 30 or 1m30s")
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return round((hours * 3600 + minutes * 60 + seconds + milliseconds / 1000) * _NANOSECONDS)
