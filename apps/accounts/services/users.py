"""Making and changing users and service accounts."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from apps.accounts.models import User, UserKind
from apps.accounts.services._checking import is_almighty, refuse_above
from apps.accounts.services._sessions import end_sessions
from apps.accounts.services.passwords import put_password
from apps.audit import services as audit
from apps.configuration.models import Setting
from apps.core.actors import Actor
from apps.core.columns import refuse_unfit
from apps.core.errors import Conflict, Invalid, Problem
from apps.rbac import services as rbac
from apps.tenancy.models import Tenant

#: What of a user can be changed; a password and being active have operations of their own.
SETTABLE = ("email", "name", "time_zone", "is_staff", "is_superuser")


@transaction.atomic
def create_user(
    username: str,
    *,
    actor: Actor,
    password: str | None,
    email: str = "",
    name: str = "",
    time_zone: str = "",
    is_staff: bool = True,
    is_superuser: bool = False,
) -> User:
    """Make somebody who can sign in; without a password nobody can until one is set. Raises ``Invalid``."""
    rbac.require(actor, "accounts.add_user", rbac.EVERYWHERE)
    if is_superuser and not is_almighty(actor):
        raise Invalid.field("is_superuser", "only a superuser decides who is one.")
    user = User(
        username=username.strip().lower(),
        email=email.strip().lower(),
        name=name,
        time_zone=time_zone or Setting.objects.in_force("general")["timezone"],
        is_staff=is_staff,
        is_superuser=is_superuser,
    )
    put_password(user, password, field="password")
    _save_named(user)
    audit.record(actor, "user.created", user, after=_facts(user))
    return user


@transaction.atomic
def update_user(user: User, *, actor: Actor, **changes: Any) -> User:
    """Change profile facts of a user, any of ``SETTABLE``. Raises ``Invalid``."""
    rbac.require(actor, "accounts.change_user", rbac.EVERYWHERE)
    refuse_above(user, actor)
    if unknown := sorted(set(changes) - set(SETTABLE)):
        raise Invalid("Unknown fields.", problems=[Problem(name, "is not a field.") for name in unknown])
    before = _facts(user)
    if changes.get("is_superuser", user.is_superuser) != user.is_superuser and not is_almighty(actor):
        raise Invalid.field("is_superuser", "only a superuser decides who is one.")
    for field, value in changes.items():
        setattr(user, field, value)
    _refuse_losing_last_administrator(user)
    _save_named(user, update_fields=list(changes))
    audit.record(actor, "user.updated", user, before=before, after=_facts(user))
    return user


@transaction.atomic
def disable_user(user: User, *, actor: Actor, reason: str = "") -> User:
    """Stop a user from signing in and calling: sessions are over, and keys fail from the next request on."""
    rbac.require(actor, "accounts.change_user", user.tenant or rbac.EVERYWHERE)
    refuse_above(user, actor)
    if actor.user == user:
        raise Conflict("You cannot disable yourself.")
    user.is_active = False
    _refuse_losing_last_administrator(user)
    user.save(update_fields=["is_active"])
    end_sessions(user)
    audit.record(actor, "user.disabled", user, reason=reason)
    return user


@transaction.atomic
def enable_user(user: User, *, actor: Actor) -> User:
    """Let a disabled user in again."""
    rbac.require(actor, "accounts.change_user", user.tenant or rbac.EVERYWHERE)
    refuse_above(user, actor)
    user.is_active = True
    user.save(update_fields=["is_active"])
    audit.record(actor, "user.enabled", user)
    return user


@transaction.atomic
def create_service_account(tenant: Tenant, *, actor: Actor, name: str) -> User:
    """Make an account for programs: it has keys and no password, and lives in one tenant."""
    rbac.require(actor, "accounts.add_user", tenant)
    user = User(
        username=f"{tenant.slug}/{name.strip().lower()}", name=name.strip(), kind=UserKind.SERVICE, tenant=tenant
    )
    user.set_unusable_password()
    _save_named(user)
    audit.record(actor, "service_account.created", user, after=_facts(user))
    return user


def _refuse_losing_last_administrator(user: User) -> None:
    administrators = User.objects.filter(is_superuser=True, is_active=True)
    was_one = administrators.filter(pk=user.pk).exists()
    is_one = user.is_superuser and user.is_active
    if was_one and not is_one and not administrators.exclude(pk=user.pk).exists():
        raise Conflict("This is the last administrator. Make another one first.")


def _save_named(user: User, **options: Any) -> None:
    refuse_unfit(user, "username", "email", "name", "time_zone")
    try:
        with transaction.atomic():
            user.save(**options)
    except IntegrityError as error:
        taken = "email" if "user_email_free" in str(error) else "username"
        raise Conflict(f"There is a user with this {taken} already.", code="name_taken", field=taken) from error


def _facts(user: User) -> dict[str, Any]:
    names = ("username", "email", "name", "kind", "time_zone", "is_active", "is_staff", "is_superuser")
    return {name: getattr(user, name) for name in names}
