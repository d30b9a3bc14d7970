"""API keys: with which programs call in a user's name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import ApiToken, ApiTokenFolder, User
from apps.accounts.services import _reach
from apps.accounts.services._checking import is_almighty
from apps.audit import services as audit
from apps.core import tokens
from apps.core.actors import Actor
from apps.core.columns import refuse_unfit
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.rbac import services as rbac
from apps.tenancy.models import Folder, Tenant

#: How long an API key works when its maker names no end.
DEFAULT_KEY_LIFE = timedelta(days=90)
LONGEST_KEY_LIFE = timedelta(days=365)
#: How long the text before a rotation goes on working.
DEFAULT_OVERLAP = tokens.ROTATION_OVERLAP
LONGEST_OVERLAP = timedelta(hours=24)


@transaction.atomic
def create_api_key(
    user: User,
    *,
    actor: Actor,
    tenant: Tenant,
    name: str,
    life: timedelta | None = DEFAULT_KEY_LIFE,
    scopes: Iterable[str] | None = None,
    folders: Sequence[Folder] | None = None,
    networks: Iterable[str] = (),
) -> tuple[ApiToken, str]:
    """Make a key for ``user`` in one tenant; the text is returned once and stored only as a hash.

    A person's keys act as that person, so nobody but the person makes them. Whoever calls with a key makes none that
    reaches further, lasts longer, or belongs to another tenant. ``scopes``, ``folders`` and ``networks`` narrow what
    the user may; without them the key may all of it, from anywhere.
    """
    if not _is_own(user, actor, "accounts.add_apitoken"):
        rbac.require(actor, "accounts.add_apitoken", tenant)
        _refuse_acting_as(user, actor)
    if actor.tenant_id not in (None, tenant.pk):
        raise Invalid.field("tenant", "this credential belongs to another tenant.")
    if user.tenant_id is not None and user.tenant_id != tenant.pk:
        raise Invalid.field("tenant", "a service account has keys in its own tenant only.")
    bounds = _reach.read_bounds(scopes, folders, networks, tenant=tenant)
    _reach.refuse_wider(bounds, actor=actor)
    _reach.refuse_more_than_own(user, bounds, tenant, actor=actor)
    plain = tokens.generate(ApiToken.KIND)
    key = ApiToken.holding(
        plain,
        user=user,
        tenant=tenant,
        name=name.strip(),
        expires_at=_end_of(life, actor),
        scopes=None if bounds.scopes is None else sorted(bounds.scopes),
        in_folders=folders is not None,
        networks=list(bounds.networks),
    )
    refuse_unfit(key, "name")
    key.save()
    ApiTokenFolder.objects.bulk_create(ApiTokenFolder(tenant=tenant, token=key, folder=one) for one in folders or ())
    audit.record(actor, "api_key.created", key, after=_facts(key, folders))
    return key, str(plain)


@transaction.atomic
def rotate_api_key(key: ApiToken, *, actor: Actor, overlap: timedelta = DEFAULT_OVERLAP) -> tuple[ApiToken, str]:
    """Give a key a new text, which is returned once; the one before works on for ``overlap``.

    The key lasts from now as long as it was made for, but rotated with a key no longer than that one does. Raises
    ``Conflict`` for a key that works no longer.
    """
    if not _is_own(key.user, actor, "accounts.change_apitoken"):
        rbac.require(actor, "accounts.change_apitoken", key)
        _refuse_acting_as(key.user, actor)
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Invalid.field("overlap", f"the two work together for at most {LONGEST_OVERLAP // timedelta(hours=1)} h.")
    key = ApiToken.objects.select_for_update(of=("self",)).select_related("user", "tenant").get(pk=key.pk)
    now = timezone.now()
    if not key.is_live(now):
        raise Conflict("This key is revoked or expired. Make a new one.", code="key_ended")
    bounds = key.bounds()
    _reach.refuse_wider(bounds, actor=actor)
    _reach.refuse_more_than_own(key.user, bounds, key.tenant, actor=actor)
    plain = tokens.another(ApiToken.KIND, key.public)
    life = key.expires_at - (key.rotated_at or key.created_at) if key.expires_at else None
    before = {"until": key.expires_at}
    key.former_digest, key.former_until = key.digest, now + overlap
    key.digest, key.rotated_at = ApiToken.holding(plain).digest, now
    key.expires_at = _end_of(life, actor)
    key.save(update_fields=["digest", "former_digest", "former_until", "rotated_at", "expires_at"])
    after = {"until": key.expires_at, "former_works_until": key.former_until}
    audit.record(actor, "api_key.rotated", key, before=before, after=after)
    return key, str(plain)


@transaction.atomic
def revoke_api_key(key: ApiToken, *, actor: Actor, reason: str = "") -> ApiToken:
    """End a key at once. Repeating it changes nothing."""
    if not _is_own(key.user, actor, "accounts.delete_apitoken"):
        rbac.require(actor, "accounts.delete_apitoken", key)
    if key.revoked_at is None:
        ApiToken.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())
        key.refresh_from_db()
        audit.record(actor, "api_key.revoked", key, reason=reason)
    return key


def _refuse_acting_as(user: User, actor: Actor) -> None:
    if not user.is_service and not is_almighty(actor):
        raise NotAllowed("A person makes their own keys. Make a service account for a program.", actor=actor)


def _is_own(user: User, actor: Actor, permission: str) -> bool:
    """Say whether it is about the actor's own keys, and its credential is not kept from them."""
    return actor.user == user and (actor.bounds is None or actor.bounds.permit(permission))


def _end_of(life: timedelta | None, actor: Actor) -> datetime | None:
    """Return when a key ends: after its life, and no later than the key with which it is made."""
    if life is not None and not timedelta(0) < life <= LONGEST_KEY_LIFE:
        raise Invalid.field("life", f"a key lives at most {LONGEST_KEY_LIFE.days} days.")
    ends = [timezone.now() + life] if life else []
    ends += [actor.bounds.until] if actor.bounds is not None and actor.bounds.until is not None else []
    return min(ends, default=None)


def _facts(key: ApiToken, folders: Sequence[Folder] | None) -> dict[str, object]:
    return {
        "name": key.name,
        "user": key.user.username,
        "key": key.shown_as,
        "until": key.expires_at,
        "scopes": key.scopes,
        "folders": None if folders is None else [str(folder) for folder in folders],
        "networks": key.networks,
    }
