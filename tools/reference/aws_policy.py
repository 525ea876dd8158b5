"""The least that the target ec2 must be allowed: the calls that its code can make, and no others.

Read from the source: every call goes through ``Aws.call`` or ``Aws.pages``, which name it first. The
tests that bake against an account compare the calls that arrive there with this.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

_PLUGINS = Path(__file__).resolve().parents[2] / "collections/ansible_collections/bakery/images/plugins"
# Things made with tags need the permission to tag them (Amazon EC2 user guide, "Grant permission to tag EC2
# resources during creation").
_TAGGING = "ec2:CreateTags"
# Copies and volumes under a key of KMS (AWS KMS developer guide, "Permissions for AWS services"): whoever
# launches and copies uses the key through EC2.
_KEY_ACTIONS = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


def actions() -> tuple[str, ...]:
    """The IAM actions of the calls in the source, such as ``ec2:RunInstances``, sorted."""
    found = {action for path in sorted(_PLUGINS.rglob("*.py")) for action in _actions_in(path)}
    return tuple(sorted(found))


def _actions_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in {"call", "pages"} and len(node.args) > 1:
            yield _action(path, node)


def _action(path: Path, node: ast.Call) -> str:
    given = next((word.value for word in node.keywords if word.arg == "service"), ast.Constant("ec2"))
    operation, service = (
        one.value if isinstance(one, ast.Constant) else None for one in (node.args[0], given)
    )
    if not isinstance(operation, str) or not isinstance(service, str):
        message = f"{path}:{node.lineno}: a call to AWS must name its operation and service"
        raise TypeError(message)
    return f"{service}:{''.join(word.capitalize() for word in operation.split('_'))}"


def render() -> str:
    """The policy, as JSON that IAM takes (IAM user guide, "IAM JSON policy element reference")."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "BakeImages",
                "Effect": "Allow",
                "Action": sorted({*actions(), _TAGGING}),
                "Resource": "*",
            },
            {
                "Sid": "UseKeysThroughEc2",
                "Effect": "Allow",
                "Action": list(_KEY_ACTIONS),
                "Resource": "*",
                "Condition": {"StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"}},
            },
            {
                "Sid": "GiveMachinesTheirInstanceProfile",
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": "*",
                "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
            },
        ],
    }
    return json.dumps(policy, indent=2) + "\n"
