"""Expected failures: sentences with a place and a next step, and the exit code each one means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process status says (docs/reference/exit-codes.md)."""

    OK = 0
    BAD_INPUT = 2
    PROVISION_FAILED = 3
    CHECKS_FAILED = 4
    MACHINE_FAILED = 5
    SOME_FAILED = 6
    INTERRUPTED = 130


@dataclass(frozen=True, order=True)
class Place:
    """Where in a file something stands; ``line`` counts from 1."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class BakeryError(Exception):
    """Base of every failure that bakery expects.

    ``message`` is one lower-case sentence without a final stop, ``hint`` says what to do next.
    """

    exit_code: ExitCode = ExitCode.BAD_INPUT

    def __init__(self, message: str, *, where: Place | None = None, hint: str | None = None) -> None:
        self.message = message
        self.where = where
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}{self.message}{hint}"


class InputError(BakeryError):
    """The user's files or arguments are wrong."""


class InputErrors(BakeryError):
    """Every mistake of one reading, in the order of the file."""

    def __init__(self, errors: tuple[BakeryError, ...]) -> None:
        self.errors = errors
        super().__init__("\n".join(str(error) for error in errors))


class ProvisionError(BakeryError):
    """A role failed on the throwaway."""

    exit_code = ExitCode.PROVISION_FAILED


class ChecksError(BakeryError):
    """The captured image did not pass its checks."""

    exit_code = ExitCode.CHECKS_FAILED


class MachineError(BakeryError):
    """A machine could not be launched, captured or discarded, or the store refused."""

    exit_code = ExitCode.MACHINE_FAILED


class InterruptedBake(BakeryError):
    """The user or the system asked to stop."""

    exit_code = ExitCode.INTERRUPTED
