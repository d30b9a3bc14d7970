"""API keys: with which programs call in a user's name."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import ApiToken, User
from apps.accounts.services._checking import is_almighty
from apps.audit import services as audit
from apps.core import tokens
from apps.core.actors import Actor
from apps.core.columns import refuse_unfit
from apps.core.errors import Invalid, NotAllowed
from apps.rbac import services as rbac
from apps.tenancy.models import Tenant

#: How long an API key works when its maker names no end.
DEFAULT_KEY_LIFE = timedelta(days=90)
LONGEST_KEY_LIFE = timedelta(days=365)


@transaction.atomic
def create_api_key(
    user: User, *, actor: Actor, tenant: Tenant, name: str, life: timedelta | None = DEFAULT_KEY_LIFE
) -> tuple[ApiToken, str]:
    """Make a key for ``user`` in one tenant; the text is returned once and stored only as a hash.

    A person's keys act as that person, so nobody but the person makes them. Whoever calls with a key that belongs to
    one tenant cannot make one for another.
    """
    if actor.user != user:
        rbac.require(actor, "accounts.add_apitoken", tenant)
        _refuse_acting_as(user, actor)
    if actor.tenant_id not in (None, tenant.pk):
        raise Invalid.field("tenant", "this credential belongs to another tenant.")
    if life is not None and not timedelta(0) < life <= LONGEST_KEY_LIFE:
        raise Invalid.field("life", f"a key lives at most {LONGEST_KEY_LIFE.days} days.")
    if user.tenant_id is not None and user.tenant_id != tenant.pk:
        raise Invalid.field("tenant", "a service account has keys in its own tenant only.")
    plain = tokens.generate(ApiToken.KIND)
    key = ApiToken.holding(
        plain, user=user, tenant=tenant, name=name.strip(), expires_at=timezone.now() + life if life else None
    )
    refuse_unfit(key, "name")
    key.save()
    audit.record(actor, "api_key.created", key, after={"name": name, "user": user.username, "key": key.shown_as})
    return key, str(plain)


@transaction.atomic
def revoke_api_key(key: ApiToken, *, actor: Actor, reason: str = "") -> ApiToken:
    """End a key at once. Repeating it changes nothing."""
    if actor.user != key.user:
        rbac.require(actor, "accounts.delete_apitoken", key)
    if key.revoked_at is None:
        ApiToken.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())
        key.refresh_from_db()
        audit.record(actor, "api_key.revoked", key, reason=reason)
    return key


def _refuse_acting_as(user: User, actor: Actor) -> None:
    if not user.is_service and not is_almighty(actor):
        raise NotAllowed("A person makes their own keys. Make a service account for a program.", actor=actor)
