"""Keys of KMS, as EBS looks at them."""

from __future__ import annotations

from typing import Any

from moto.kms.models import kms_backends

AWS_MANAGED = "alias/aws/ebs"


def find_key(backend: Any, name: str | None) -> str | None:
    """The ARN of the key that an id, ARN or alias means in the region of ``backend``, if it can be used."""
    kms = kms_backends[backend.account_id][backend.region_name]
    if name in (None, "", AWS_MANAGED):
        return default_key(backend)
    try:
        key = kms.describe_key(str(name))
    except Exception:  # noqa: BLE001  # moto has many ways to say that there is none
        return None
    return key.arn if key.enabled else None


def default_key(backend: Any) -> str:
    """The ARN of the account's own key for EBS, which nothing can be shared under."""
    if not backend.default_kms_key_id:
        backend._create_default_encryption_key()
    return str(backend.default_kms_key_id)
