"""Values to digests: one canonical form, so that equal inputs have equal keys on every machine and day."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from bakery.model.project import VaultText

# JSON knows fewer types than YAML. What it lacks becomes an object whose only key starts with NUL; a mapping
# that looks like one is written as pairs, so that no two values share a form.
_PAIRS, _DATE, _TIME, _VAULT = "\0pairs", "\0date", "\0datetime", "\0vault"


def canonical_json(value: Any, *, ordered: bool = False) -> bytes:
    """``value`` as ASCII JSON without spaces, the same bytes for equal values.

    Takes scalars, mappings with scalar keys, lists, tuples (the same as lists) and dates; ``1``, ``1.0``,
    ``"1"`` and ``True`` differ. The order of a mapping counts only with ``ordered``. Raises TypeError for all
    else, a VaultText too: it goes through ``sealed`` first, so that no secret enters a key by accident.
    """
    return json.dumps(_plain(value, ordered), sort_keys=not ordered, separators=(",", ":")).encode("ascii")


def fingerprint(*parts: Any) -> str:
    """The SHA-256 of the parts, 64 hex digits; ``("ab", "c")`` and ``("a", "bc")`` differ."""
    return hashlib.sha256(canonical_json(parts)).hexdigest()


def keyed(secret: bytes, value: VaultText | str) -> str:
    """The HMAC-SHA-256 of a secret's text, 64 hex digits: tells nothing to who does not have ``secret``."""
    text = value.ciphertext if isinstance(value, VaultText) else value
    return hmac.new(secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def sealed(secret: bytes, value: Any) -> Any:
    """``value`` with every VaultText in it, at any depth, replaced by its keyed hash."""
    if isinstance(value, VaultText):
        return {_VAULT: keyed(secret, value)}
    if isinstance(value, Mapping):
        return {key: sealed(secret, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sealed(secret, item) for item in value]
    return value


def fingerprint_variables(secret: bytes, variables: Mapping[str, Any]) -> dict[str, str]:
    """The digest of each variable's value by name, sorted: fit for keys and records.

    Secrets are keyed. The order of mappings inside a value counts: a template that loops over one sees it.
    """
    return {name: fingerprint_variable(secret, variables[name]) for name in sorted(variables)}


def fingerprint_variable(secret: bytes, value: Any) -> str:
    """The digest of one variable's value, 64 hex digits; see ``fingerprint_variables``."""
    return hashlib.sha256(canonical_json(sealed(secret, value), ordered=True)).hexdigest()


def _plain(value: Any, ordered: bool) -> Any:  # noqa: FBT001 - passed along, never written by hand
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return _plain_mapping(value, ordered)
    if isinstance(value, list | tuple):
        return [_plain(item, ordered) for item in value]
    if isinstance(value, date):  # datetime is a date
        return {_DATE if type(value) is date else _TIME: value.isoformat()}
    raise TypeError(f"a {type(value).__name__} has no canonical form")


def _plain_mapping(value: Mapping[Any, Any], ordered: bool) -> dict[str, Any]:  # noqa: FBT001
    plain = {key: _plain(item, ordered) for key, item in value.items()}
    if all(isinstance(key, str) for key in plain) and plain.keys().isdisjoint((_PAIRS, _DATE, _TIME)):
        return plain
    pairs = [[_plain(key, ordered), item] for key, item in plain.items()]
    return {_PAIRS: pairs if ordered else sorted(pairs, key=lambda pair: json.dumps(pair[0]))}
