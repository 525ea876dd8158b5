"""Waiting and failing at the door to AWS; the clock is one that only sleeping moves."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import (
    AwsFailure,
    Patience,
    pauses,
    translated,
)
from ansible_collections.bakery.images.plugins.module_utils.ec2_looks import FRESH_S
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)


@dataclass
class Clock:
    time: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


def patience(clock: Clock, seconds: float) -> Patience:
    return Patience(seconds, now=clock.now, sleep=clock.sleep)


def test_pauses_grow_until_a_change_is_still_noticed_within_three_seconds() -> None:
    first = list(itertools.islice(pauses(), 20))
    assert first[0] <= 0.6
    assert max(first) + FRESH_S <= 3.0
    assert min(first[10:]) >= 1.5


def test_the_first_look_is_at_once_and_the_last_at_the_end() -> None:
    clock = Clock()
    times = [clock.time for _look in patience(clock, 10).looks()]
    assert times[0] == 0
    assert times[-1] == pytest.approx(10)


def test_a_part_of_patience_ends_no_later_than_the_whole() -> None:
    clock = Clock()
    whole = patience(clock, 10)
    clock.time = 8
    assert whole.at_most(5).left() == 2
    assert whole.at_most(1).left() == 1


def failing(*codes: str) -> list[AwsFailure]:
    return [AwsFailure(f"could not look: {code}", code=code) for code in codes]


def test_a_call_is_made_again_while_that_is_worth_it() -> None:
    failures = failing("InvalidInstanceID.NotFound", "InvalidInstanceID.NotFound")

    def look() -> str:
        if failures:
            raise failures.pop()
        return "there"

    clock = Clock()
    found = patience(clock, 60).until_done(look, worth_again=lambda failure: failure.not_found)
    assert found == "there"
    assert len(clock.slept) == 2


def test_the_failure_that_remains_is_the_one_that_is_told() -> None:
    def look() -> None:
        raise failing("InvalidInstanceID.NotFound")[0]

    with pytest.raises(AwsFailure, match=r"could not look"):
        patience(Clock(), 3).until_done(look, worth_again=lambda failure: failure.not_found)


def test_a_failure_that_is_not_worth_it_ends_the_waiting() -> None:
    clock = Clock()

    def look() -> None:
        raise failing("UnauthorizedOperation")[0]

    with pytest.raises(AwsFailure):
        patience(clock, 60).until_done(look, worth_again=lambda failure: failure.not_found)
    assert clock.slept == []


def told(error: Exception) -> AwsFailure:
    with (
        pytest.raises(AwsFailure) as caught,
        translated("start an instance from ami-1", operation="run_instances", region="r"),
    ):
        raise error
    return caught.value


def test_a_missing_permission_is_named_by_its_action() -> None:
    error = ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "No."}}, "RunInstances")
    failure = told(error)
    assert "start an instance from ami-1 in r" in str(failure)
    assert "may not RunInstances" in str(failure)


def test_an_answer_that_did_not_come_is_told_from_a_call_that_was_never_made() -> None:
    assert told(ReadTimeoutError(endpoint_url="https://ec2")).lost
    assert told(EndpointConnectionError(endpoint_url="https://ec2")).lost
    assert not told(NoCredentialsError()).lost
    assert not told(ParamValidationError(report="no")).lost


def test_a_region_that_nobody_knows_is_told_with_the_one_that_is_meant() -> None:
    def said(region: str) -> str:
        error = EndpointConnectionError(endpoint_url=f"https://ec2.{region}.amazonaws.com")
        with (
            pytest.raises(AwsFailure) as caught,
            translated("look", operation="describe_images", region=region),
        ):
            raise error
        return str(caught.value)

    assert "boto3 knows no region 'eu-centrall-1', did you mean eu-central-1?" in said("eu-centrall-1")
    assert said("eu-central-1").endswith("see whether the network reaches it")
