"""Signatures by Ed25519. Nothing here knows the database."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def new_pair() -> tuple[bytes, bytes]:
    """Return a new private key and its public one, 32 bytes each."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


def sign(data: bytes, *, private: bytes) -> bytes:
    """Return the signature of ``data``, 64 bytes."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(data)


def is_valid(signature: bytes, data: bytes, *, public: bytes) -> bool:
    """Say whether a signature is that of ``data`` by the owner of ``public``."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except InvalidSignature:
        return False
    return True


def name_of(public: bytes) -> str:
    """Return the short name of a public key: the beginning of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


def pem_of(public: bytes) -> str:
    """Return a public key as PEM, the form that other programs read."""
    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
