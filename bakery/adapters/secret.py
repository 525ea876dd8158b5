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
                _name(file.fileno(), path)
        return path.read_bytes()
    except OSError as error:
        raise MachineError(f"cannot create {path}: {(error.strerror or '').lower()}") from error


def _name(descriptor: int, path: Path) -> None:
    """Give a file that was opened with O_TMPFILE its name (open(2), O_TMPFILE, the second example)."""
    folder = os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Only with a directory descriptor does os.link call linkat(2) and follow the magic link.
        os.link(str(descriptor), path, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)
