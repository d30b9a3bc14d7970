"""Signing in the name of the installation. The trail has its seals signed here (``AUDIT_SIGNER``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.encryption.models import SigningKey
from apps.encryption.rules import signatures
from apps.rbac import services as rbac

_known: dict[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: its name, itself as PEM, and from when to when it signed."""

    name: str
    pem: str
    since: datetime
    until: datetime | None


def sign(data: bytes) -> tuple[str, bytes]:
    """Return the name of the key that signs now, and its signature of ``data``. Raises ``Unopenable``."""
    key = SigningKey.objects.current()
    return key.name, key.sign(data)


def has_signed(name: str, data: bytes, signature: bytes) -> bool:
    """Say whether one of our keys, of that name, made ``signature`` over ``data``."""
    public = _public(name)
    return public is not None and signatures.is_valid(signature, data, public=public)


def public_keys() -> list[PublicKey]:
    """Return the public keys, oldest first; the first call makes the first one."""
    SigningKey.objects.current()
    keys = SigningKey.objects.order_by("id")
    return [PublicKey(key.name, key.pem, key.created_at, key.retired_at) for key in keys]


def _public(name: str) -> bytes | None:
    """Return the public key of that name. It never changes, so each is read once."""
    if name not in _known:
        _known.update({key.name: bytes.fromhex(key.public) for key in SigningKey.objects.all()})
    return _known.get(name)


@transaction.atomic
def rotate_signing_key(*, actor: Actor) -> SigningKey:
    """Let a new key sign from now on; what the old one signed is checked by its public key as before."""
    rbac.require(actor, "encryption.rotate_datakey", rbac.EVERYWHERE)
    old = SigningKey.objects.current()
    SigningKey.objects.filter(pk=old.pk, retired_at=None).update(retired_at=Now())
    key = SigningKey.new()
    SigningKey.objects.bulk_create([key])
    audit.record(actor, "signing_key.rotated", key, before={"public": old.public}, after={"public": key.public})
    return key
