# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only door to AWS: calls that retry what is worth it, and failures that say what was attempted."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock
from typing import Any, TypeVar

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

_Answer = TypeVar("_Answer")

# With the growing, jittered pauses of the mode "standard" these outlast a minute of throttling.
_ATTEMPTS = 9
# A region that boto3 does not know is rather mistyped than new: nobody waits a minute to learn that.
_ATTEMPTS_ANYWHERE = 2
_CONNECT_S, _READ_S = 10, 60
# The first look comes soon, for what is usually fast; later ones are as rare as they may be for a look to
# find a change within three seconds.
_FIRST_POLL_S, _LAST_POLL_S = 0.5, 2.0
# How long a thing of our own making may stay unknown to other calls: EC2 is eventually consistent.
NOT_FOUND_PATIENCE_S = 60.0
# Clients may be used by several threads at once, but not made.
_MAKING = Lock()

_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


class AwsFailure(MachineFailure):
    """A call failed for good; ``code`` is the service's error code, or ``""`` where it did not answer.

    With ``lost`` the call may have been carried out all the same: only its answer did not arrive.
    """

    def __init__(self, message: str, *, code: str = "", lost: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.lost = lost

    @property
    def not_found(self) -> bool:
        """Whether the service does not know what the call was about (yet, or any more)."""
        return ".NotFound" in self.code or self.code in {"NoSuchEntity", "ParameterNotFound"}

    @property
    def forbidden(self) -> bool:
        """Whether the credentials may not make the call."""
        return self.code in _FORBIDDEN


class Aws:
    """Calls in one region, with the credentials that boto3 finds (environment, profile, instance role).

    An endpoint of one's own is boto3's business too: ``AWS_ENDPOINT_URL``.
    """

    def __init__(self, region: str | None = None) -> None:
        self.region = region or _region()

    def call(
        self,
        operation: str,
        about: str,
        /,
        *,
        service: str = "ec2",
        attempts: int = _ATTEMPTS,
        **arguments: Any,
    ) -> dict[str, Any]:
        """Call ``operation`` (boto3's name, such as ``run_instances``); AwsFailure if it fails for good.

        ``about`` says what is attempted on what, for the failure: "start an instance from ami-1".
        ``attempts`` counts the first one.
        """
        with translated(about, operation=operation, region=self.region):
            answer: dict[str, Any] = getattr(client(service, self.region, attempts), operation)(**arguments)
        return answer

    def pages(
        self, operation: str, about: str, /, *, service: str = "ec2", **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        """The pages of a call that lists."""
        with translated(about, operation=operation, region=self.region):
            yield from client(service, self.region, _ATTEMPTS).get_paginator(operation).paginate(**arguments)

    def in_region(self, region: str) -> Aws:
        """The same for another region."""
        return Aws(region)


@cache
def client(service: str, region: str, attempts: int) -> Any:
    """A client of boto3's, made once: making one costs more than its calls."""
    _boto, config = _boto3()
    with _MAKING:
        if region not in known_regions():
            attempts = min(attempts, _ATTEMPTS_ANYWHERE)
        return _session().client(
            service,
            region_name=region,
            config=config(
                retries={"mode": "standard", "total_max_attempts": attempts},
                connect_timeout=_CONNECT_S,
                read_timeout=_READ_S,
                user_agent_extra="bakery",
            ),
        )


@cache
def known_regions() -> frozenset[str]:
    """The regions with EC2 that this boto3 knows; there may be newer ones."""
    session = _session()
    partitions = session.get_available_partitions()
    return frozenset(
        region for one in partitions for region in session.get_available_regions("ec2", partition_name=one)
    )


def load_for_forks() -> None:
    """Have what is slow to load in memory: a process forked from this one has its first answer 2 s sooner.

    Where boto3 is missing, the first call says so.
    """
    with suppress(MachineFailure):
        # Not used for any call: with keys of its own it looks for no others.
        own = {"aws_access_key_id": "-", "aws_secret_access_key": "-"}
        _session().client("ec2", region_name="us-east-1", **own)


def _boto3() -> tuple[Any, Any]:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise MachineFailure("the target ec2 needs boto3; install boto3 for this Python") from error
    return boto3, Config


@cache
def _session() -> Any:
    """Has in memory what is slow to load: who the regions are, and what the services can do."""
    boto3, _config = _boto3()
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.session.Session()
    except BotoCoreError as error:  # such as a profile that is not there
        raise MachineFailure(f"the AWS configuration cannot be used: {error}") from error


def configured_region() -> str | None:
    """The region of the AWS configuration, if it names one."""
    _boto3()  # says so where there is none
    from botocore.exceptions import BotoCoreError

    try:
        region: str | None = _session().region_name
    except BotoCoreError as error:
        raise MachineFailure(f"the AWS configuration cannot be used: {error}") from error
    return region


def _region() -> str:
    region = configured_region()
    if not region:
        raise MachineFailure("no AWS region is configured; write 'region' or set AWS_DEFAULT_REGION")
    return region


@contextmanager
def translated(about: str, *, operation: str, region: str) -> Iterator[None]:
    """Turn boto3's errors into an AwsFailure that is a sentence."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NoConnection

    try:
        yield
    except ClientError as error:
        detail = error.response.get("Error", {})
        code, text = str(detail.get("Code", "")), str(detail.get("Message", "")).strip().rstrip(".")
        raise AwsFailure(_sentence(about, operation, region, code=code, text=text), code=code) from error
    except BotoCoreError as error:
        text = str(error).strip().rstrip(".")
        raise AwsFailure(
            f"could not {about} in {region}: {text}{_advice(error, region)}",
            lost=isinstance(error, (NoConnection, HTTPClientError)),
        ) from error


def _sentence(about: str, operation: str, region: str, *, code: str, text: str) -> str:
    said = f"{code}: {text}" if text else code
    where = f"could not {about} in {region}"
    if code in _CREDENTIALS:
        return f"{where}: AWS does not accept the credentials ({said}); renew them and run 'bakery sweep'"
    if code in _FORBIDDEN:
        action = "".join(word.capitalize() for word in operation.split("_"))
        return f"{where}: the credentials may not {action} ({said}); allow them that action"
    return f"{where}: {said}"


def _advice(error: Exception, region: str) -> str:
    from difflib import get_close_matches

    from botocore.exceptions import ConnectionError as NoConnection
    from botocore.exceptions import HTTPClientError, NoCredentialsError

    if isinstance(error, NoCredentialsError):
        return "; set AWS_PROFILE or AWS_ACCESS_KEY_ID, or log in with your usual tool"
    if isinstance(error, (NoConnection, HTTPClientError)) and region not in known_regions():
        close = get_close_matches(region, sorted(known_regions()), n=1)
        return f"; boto3 knows no region '{region}'" + (f", did you mean {close[0]}?" if close else "")
    if type(error).__name__ == "EndpointConnectionError":
        return "; see whether the network reaches it"
    return ""


def known_by_now(look: Callable[[], _Answer], *, patience_s: float = NOT_FOUND_PATIENCE_S) -> _Answer:
    """The answer about something that we have just made, which some calls may not know of yet."""
    return Patience(patience_s).until_done(look, worth_again=lambda failure: failure.not_found)


class Patience:
    """So many seconds for everything that is waited for together.

    ``now`` and ``sleep`` are those of the module time.
    """

    def __init__(
        self,
        seconds: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.seconds = seconds
        self._now = now
        self._sleep = sleep
        self._end = now() + seconds

    def left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self._end - self._now())

    def looks(self) -> Iterator[None]:
        """Come back at once, then after each of ``pauses``; ends when the time is up, after a last look."""
        for pause in pauses():
            yield
            left = self.left()
            if not left:
                return
            self._sleep(min(pause, left))

    def until_done(
        self, call: Callable[[], _Answer], *, worth_again: Callable[[AwsFailure], bool]
    ) -> _Answer:
        """The answer of a call that is made again while its failure is worth it and there is time."""
        for _look in self.looks():
            try:
                return call()
            except AwsFailure as failure:
                if not worth_again(failure) or not self.left():
                    raise
        raise MachineFailure("there was no time left")  # not even for the first

    def at_most(self, seconds: float) -> Patience:
        """A part of it."""
        return Patience(min(seconds, self.left()), now=self._now, sleep=self._sleep)


def pauses() -> Iterator[float]:
    """Seconds to wait between looks at a state: short at first, then as long as noticing it may take.

    Jittered, so that bakes which began together do not ask together for ever.
    """
    pause = _FIRST_POLL_S
    while True:
        yield pause * random.uniform(0.8, 1.2)  # noqa: S311  # nothing secret
        pause = min(pause * 1.5, _LAST_POLL_S)
