# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says which library calls AWS, or in which region, or in whose account; the project's options are JSON.

Nothing is asked that costs anything or that the credentials would have to be allowed, and no secret is told.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# The directory that the collection's Python is imported from.
sys.path.append(str(Path(__file__).resolve().parents[7]))

from ansible_collections.bakery.images.plugins.module_utils.aws_calls import Aws, configured_region
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

# Whose credentials they are every region knows; asked where no other is configured.
_ANY_REGION = "us-east-1"


def library(_options: Mapping[str, Any]) -> str:
    try:
        import boto3
    except ImportError as error:
        raise MachineFailure(
            f"boto3 cannot be imported; install it: {sys.executable} -m pip install boto3"
        ) from error
    return str(boto3.__version__)


def region(options: Mapping[str, Any]) -> str:
    if given := options.get("region"):
        return f"{given}, of the project"
    return f"{Aws().region}, of the AWS configuration"


def credentials(options: Mapping[str, Any]) -> str:
    """The account, and how boto3 found the credentials. Without any, AWS is not called."""
    library(options)
    import boto3

    where = options.get("region") or configured_region() or _ANY_REGION
    about = "see whose credentials these are"
    # Once: who asks what is missing is not to wait for long.
    found = Aws(where).call("get_caller_identity", about, service="sts", attempts=1)
    method = boto3.session.Session().get_credentials().method
    return f"account {found['Account']}, by {method}"


_PROBES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "library": library,
    "region": region,
    "credentials": credentials,
}


def main(wanted: str, options: str) -> int:
    try:
        found = _PROBES[wanted](json.loads(options))
    except MachineFailure as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    sys.stdout.write(f"{found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
