"""Values to YAML that Ansible reads back as exactly the same values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from bakery.model.project import VaultText

_TEMPLATE_MARKS = ("{{", "{%", "{#")


class _Unsafe(str):
    """A string that Ansible must not take for a template."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    VaultText, lambda dumper, value: dumper.represent_scalar("!vault", value.ciphertext, style="|")
)
_Dumper.add_representer(
    _Unsafe, lambda dumper, value: dumper.represent_scalar("!unsafe", str(value), style='"')
)


def templates_to_yaml(value: Any) -> str:
    """For values as a playbook holds them: what looks like a template is one, ``!vault`` stays encrypted."""
    return _dump(_plain(value, str))


def data_to_yaml(value: Any) -> str:
    """For values that are data: what looks like a template is passed on as it stands (``!unsafe``)."""
    return _dump(_plain(value, lambda text: _Unsafe(text) if _looks_like_template(text) else text))


def _dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=2**16)


def _plain(value: Any, text: Any) -> Any:
    """The value made of the types that the dumper knows; every string goes through ``text``."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return {_plain(key, str): _plain(item, text) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, text) for item in value]
    return value


def _looks_like_template(text: str) -> bool:
    return any(mark in text for mark in _TEMPLATE_MARKS)
