"""The format of a role set's image config."""

from __future__ import annotations

from bakery.load.durations import duration_pattern
from bakery.load.scalar_shapes import ANY_TEXT, Choice, Integer, Text
from bakery.load.shapes import Either, Field, ListOf, MapOf, Record

# 1 to 65535, with a protocol that engines know.
_NUMBER = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_PORT = f"^({_NUMBER})(/(tcp|udp|sctp))?$"
_ABSOLUTE = "^/[^\\u0000]*$"

_ARGUMENT = Text("text", "'80'", ANY_TEXT, numbers=True, booleans=True)
_SHORT = Text("a duration", "30s", duration_pattern(("ms", "s", "m", "h")))
_SHORT_OR_ZERO = Text("a duration", "30s", duration_pattern(("ms", "s", "m", "h"), zero=True))


def _command(key: str) -> Either:
    return Either(
        "a list of words or a shell command",
        f"{key}: [/usr/bin/app, --port, '80']",
        scalar=_ARGUMENT,
        sequence=ListOf(_ARGUMENT, "words", "[/usr/bin/app, --port, '80']"),
    )


_HEALTHCHECK = Record(
    "a mapping",
    "test: [CMD, curl, -f, http://localhost/]",
    {
        "test": Field(
            Either(
                "a list of words or a shell command",
                "[CMD, curl, -f, http://localhost/]",
                scalar=Text("a shell command", "curl -f http://localhost/"),
                sequence=ListOf(_ARGUMENT, "words", "[CMD, curl, -f, http://localhost/]", 1),
            ),
            "A shell command, or a list that begins with CMD, CMD-SHELL or NONE; other lists are commands.",
            required=True,
        ),
        "interval": Field(_SHORT, "Time between two checks."),
        "timeout": Field(_SHORT, "Time until a check counts as failed."),
        "retries": Field(
            Integer("a number from 1 to 1000", "3", 1, 1000), "Failures until the container is unhealthy."
        ),
        "start_period": Field(_SHORT_OR_ZERO, "Time in which failures do not count."),
    },
)

IMAGE = Record(
    "a mapping",
    "image: {ports: [80], cmd: [nginx, -g, daemon off;]}",
    {
        "entrypoint": Field(
            _command("entrypoint"), "What the container runs; the base's unless given.", optional_value=True
        ),
        "cmd": Field(
            _command("cmd"),
            "Arguments of the entry point, or what runs without one; if neither is given, systemd.",
            optional_value=True,
        ),
        "env": Field(
            MapOf(_ARGUMENT, "environment variables", "{LANG: C.UTF-8}", "^[^=\\u0000]+$", "leave '=' out"),
            "Environment variables, added to those of the base and of the role set this one builds on.",
            optional_value=True,
        ),
        "ports": Field(
            ListOf(
                Text("a port from 1 to 65535", "80, 443/tcp or 53/udp", _PORT, integers=(1, 65535)),
                "ports",
                "[80, 443/tcp]",
            ),
            "Ports that the image exposes.",
            optional_value=True,
        ),
        "labels": Field(
            MapOf(_ARGUMENT, "labels", "{org.opencontainers.image.vendor: Example}"),
            "Labels, added to those of the base and of the role set this one builds on.",
            optional_value=True,
        ),
        "user": Field(
            Text("a user", "www-data or 1000:1000", numbers=True),
            "User (and group) that the command runs as.",
        ),
        "workdir": Field(
            Text("an absolute path", "/srv", _ABSOLUTE), "Directory that the command starts in."
        ),
        "healthcheck": Field(_HEALTHCHECK, "How an engine tells whether the container works."),
        "stop_signal": Field(
            Text("the name of a signal", "SIGTERM", "^SIG[A-Z0-9]+([+-][0-9]+)?$"), "Signal that stops it."
        ),
        "volumes": Field(
            ListOf(Text("an absolute path", "/var/lib/app", _ABSOLUTE), "absolute paths", "[/var/lib/app]"),
            "Directories that hold data of their own.",
            optional_value=True,
        ),
        "compression": Field(Choice(("gzip", "zstd")), "How layers are compressed.", default="gzip"),
    },
)
