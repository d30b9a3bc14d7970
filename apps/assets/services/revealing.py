"""Showing a person what is secret, once, for a reason that stays."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.services import require_fresh_sign_in
from apps.assets.models import Asset
from apps.assets.services._sources import stored_secrets
from apps.assets.services._writing import EVERYWHERE, Place
from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.edge.limits import spend
from apps.core.errors import Conflict, Invalid, NotFound
from apps.rbac import services as rbac

REASON_LENGTH = 5, 500
"""A reason has at least and at most so many characters."""


def reveal_asset(asset: Asset, *, actor: Actor, reason: str, field: str = "", place: Place = EVERYWHERE) -> str:
    """Return one secret field of an asset's value in one place; of a secret its only one.

    It takes a sign-in of the last minutes. Raises ``NotAllowed``, ``Invalid``, ``NotFound``, ``Conflict``,
    ``Unavailable``.
    """
    rbac.require(actor, "assets.reveal_asset", asset)
    require_fresh_sign_in(actor)
    spend("reveal", actor)
    shortest, longest = REASON_LENGTH
    if not shortest <= len(reason.strip()) <= longest:
        raise Invalid.field("reason", f"say why, in {shortest} to {longest} characters. It stays in the audit trail.")
    if not asset.is_secret:
        raise Conflict(f"Nothing in the asset “{asset.name}” is secret.", code="no_secret")
    value = asset.values.filter(**place.columns).first()
    if value is None:
        raise NotFound("It has no value of its own there.", code="no_value")
    secrets = stored_secrets(value)
    name = field or next(iter(secrets), "")
    if name not in secrets or (not field and len(secrets) > 1):
        raise Invalid.field("field", f"name one of: {', '.join(sorted(secrets)) or 'none'}.")
    with transaction.atomic():
        audit.record(actor, "asset.revealed", asset, reason=reason, after={"place": value.place, "shown": name})
    return secrets[name]
