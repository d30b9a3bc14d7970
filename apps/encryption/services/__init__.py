"""Keeping the keys: rotating them under load, and proving that every secret still opens."""

from apps.encryption.services.rotating import (
    BATCH,
    KeyInUse,
    destroy_data_key,
    reencrypt_some,
    rewrap_data_keys,
    rotate_data_key,
)
from apps.encryption.services.signing import PublicKey, has_signed, public_keys, rotate_signing_key, sign
from apps.encryption.services.verifying import Flaw, flaws_of_keys, flaws_of_secrets

__all__ = [
    "BATCH",
    "Flaw",
    "KeyInUse",
    "PublicKey",
    "destroy_data_key",
    "flaws_of_keys",
    "flaws_of_secrets",
    "has_signed",
    "public_keys",
    "reencrypt_some",
    "rewrap_data_keys",
    "rotate_data_key",
    "rotate_signing_key",
    "sign",
]
