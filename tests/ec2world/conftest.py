"""What the tests of the world itself share."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from tests.ec2world.world import World


@pytest.fixture
def ec2(world: World) -> Any:
    """A client of the world's EC2."""
    return boto3.client("ec2", **world.client_options)
