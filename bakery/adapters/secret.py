"""The key of this home for hashing secrets: a key of a layer must not tell what a vaulted variable holds."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from bakery.adapters.home import ensure_home
from bakery.errors import MachineError

_LENGTH = 32


def load_secret(home: Path) -> bytes:
    """The 32 bytes of ``secret.key`` in ``home``, made once with mode 0600.

    Of several processes that make it at once one wins and all return its key. Raises MachineError when it
    cannot be read or made, or is not what was made.
    """
    path = home / "secret.key"
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = _make(path)
    except OSError as error:
        raise MachineError(f"cannot read {path}: {(error.strerror or '').lower()}") from error
    if len(key) != _LENGTH:
        raise MachineError(
            f"{path} is damaged",
            hint="remove it; layers that depend on vaulted variables will be baked again",
        )
    return key


def _make(path: Path) -> bytes:
    ensure_home(path.parent)
    try:
        # A file without a name until it is complete: a process that is killed here leaves nothing behind.
        descriptor = os.open(path.parent, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123  # a Path cannot take a descriptor
            file.write(secrets.token_bytes(_LENGTH))
            file.flush()
            os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # somebody else was first
                os.link(f"/proc/self/fd/{file.fileno()}", path, follow_symlinks=True)
        return path.read_bytes()
    except OSError as error:
        raise MachineError(f"cannot create {path}: {(error.strerror or '').lower()}") from error
