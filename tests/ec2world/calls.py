"""The calls that arrive: what a request asks for, read from its bytes and headers alone."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

_ID = re.compile(r"\b(?:ami|eni|i|sg|sgr|snap|subnet|vol)-[0-9a-f]{8,17}\b")
# The scope of a signature, version 4: key id, day, region, service.
_SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")


@dataclass
class Call:
    """One request. ``parameters`` are as sent: flat for EC2's protocol (``TagSpecification.1.Tag.1.Key``)."""

    service: str
    action: str
    region: str
    parameters: dict[str, Any]
    access_key: str
    json: bool
    at: datetime
    # The status that the caller got; 0: it got no answer. None while the call is under way.
    status: int | None = None
    answer: str = ""

    @property
    def dry(self) -> bool:
        """Whether it only asks if it would be allowed: nothing is done."""
        return str(self.parameters.get("DryRun", "")).lower() == "true"

    @property
    def ids(self) -> list[str]:
        """The ids of resources in the answer, such as those that the call made, in their order."""
        return list(dict.fromkeys(_ID.findall(self.answer)))

    @property
    def tags(self) -> dict[str, dict[str, str]]:
        """The tags to put on what is created, by type of resource."""
        found: dict[str, dict[str, str]] = {}
        for name, kind in self.parameters.items():
            if re.fullmatch(r"TagSpecification\.\d+\.ResourceType", name):
                place = name.removesuffix("ResourceType")
                keys = [key for key in self.parameters if re.fullmatch(rf"{place}Tag\.\d+\.Key", key)]
                values = (self.parameters.get(key.removesuffix("Key") + "Value", "") for key in keys)
                found[kind] = dict(zip((self.parameters[key] for key in keys), values, strict=True))
        return found


def read_call(environ: dict[str, Any]) -> Call:
    """The call of a WSGI request, whose body can be read once more."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        action, parameters = target.rpartition(".")[2], json.loads(body or b"{}")
    else:
        parameters = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        action = parameters.pop("Action", "")
        parameters.pop("Version", None)
    return Call(
        service=scope["service"] if scope else "",
        action=action,
        region=scope["region"] if scope else "",
        parameters=parameters,
        access_key=scope["key"] if scope else "",
        json=bool(target),
        at=datetime.now(UTC),
    )
