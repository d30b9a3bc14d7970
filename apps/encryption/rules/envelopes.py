"""Sealed texts: ``v1:<name of the key>:<nonce>:<ciphertext>``, by AES-256-GCM.

What a text is about goes in as associated data: copied to another row, field or tenant it cannot be opened.
"""

from __future__ import annotations

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = "v1"
KEY_BYTES = 32
_NONCE_BYTES = 12


class Unopenable(ValueError):
    """A sealed text that this key does not open: damaged, moved from where it belongs, or sealed by another key."""


def seal(plain: bytes, *, key: bytes, name: str, about: str) -> str:
    """Return what only ``key``, and only for ``about``, opens again. ``name`` tells which key that is."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return ":".join([VERSION, name, _text(nonce), _text(AESGCM(key).encrypt(nonce, plain, _bound(about)))])


def unseal(text: str, *, key: bytes, about: str) -> bytes:
    """Return what was sealed. Raises ``Unopenable``."""
    _, _, nonce, sealed = _parts(text)
    try:
        return AESGCM(key).decrypt(base64.b64decode(nonce), base64.b64decode(sealed), _bound(about))
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise Unopenable("It is damaged, was moved from another place, or was sealed by another key.") from error


def key_of(text: str) -> str:
    """Return the name of the key that opens a sealed text. Raises ``Unopenable``."""
    return _parts(text)[1]


def _parts(text: str) -> list[str]:
    parts = text.split(":")
    if len(parts) != 4 or parts[0] != VERSION:
        raise Unopenable("It is no sealed text.")
    return parts


def _bound(about: str) -> bytes:
    return f"{VERSION}|{about}".encode()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
