# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bake must be allowed at its end, asked for at its beginning: a dry run changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import ec2_tags
from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws, AwsFailure
from ansible_collections.bakery.images.plugins.module_utils.ec2_launch_plan import SPOT

# Nothing is waited for: whatever is not known now is told by the call itself.
_ATTEMPTS = 2


def refuse_unpermitted(aws: Aws, instance: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """AwsFailure if the credentials may not stop an instance, or not make an image of it with such tags."""
    instance_id = instance["InstanceId"]
    if instance.get("InstanceLifecycle") != SPOT:  # which is never stopped
        with _forbidden_only():
            aws.call(
                "stop_instances",
                f"stop instance {instance_id}",
                attempts=_ATTEMPTS,
                InstanceIds=[instance_id],
                DryRun=True,
            )
    with _forbidden_only():
        aws.call(
            "create_image",
            f"make an image of instance {instance_id}",
            attempts=_ATTEMPTS,
            InstanceId=instance_id,
            Name=f"bakery-{instance_id}",
            TagSpecifications=ec2_tags.specifications(tags, ["image", "snapshot"]),
            DryRun=True,
        )


@contextmanager
def _forbidden_only() -> Iterator[None]:
    """A dry run always fails, also with the code DryRunOperation: "it would have succeeded"."""
    try:
        yield
    except AwsFailure as failure:
        if failure.forbidden:
            raise
