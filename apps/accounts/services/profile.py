"""What people say of themselves."""

from __future__ import annotations

from typing import IO, Any

from django.db import transaction

from apps.accounts.models import Avatar, User
from apps.accounts.rules import pictures
from apps.accounts.rules.preferences import check_preferences
from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.columns import refuse_unfit
from apps.core.errors import Invalid, Problem
from apps.rbac import services as rbac

#: What of their own people can change, without a permission.
OWN = ("name", "time_zone", "preferences")


@transaction.atomic
def update_profile(user: User, *, actor: Actor, **changes: Any) -> User:
    """Change what a user says of themselves, any of ``OWN``. Raises ``Invalid``."""
    if actor.user != user:
        rbac.require(actor, "accounts.change_user", rbac.EVERYWHERE)
    if unknown := sorted(set(changes) - set(OWN)):
        raise Invalid("Unknown fields.", problems=[Problem(name, "is not a field.") for name in unknown])
    check_preferences(changes.get("preferences", {}))
    before = {name: getattr(user, name) for name in changes}
    for name, value in changes.items():
        setattr(user, name, value)
    refuse_unfit(user, "name", "time_zone")
    user.save(update_fields=list(changes))
    audit.record(actor, "user.updated", user, before=before, after=changes)
    return user


@transaction.atomic
def set_avatar(user: User, *, actor: Actor, file: IO[bytes]) -> Avatar:
    """Show a picture of a user, drawn anew from a PNG or JPEG file. Raises ``Invalid``."""
    if actor.user != user:
        rbac.require(actor, "accounts.change_user", rbac.EVERYWHERE)
    image = pictures.redrawn(file)
    Avatar.objects.filter(user=user).delete()
    avatar = Avatar.objects.create(user=user, image=image)
    audit.record(actor, "user.avatar_changed", user)
    return avatar


@transaction.atomic
def remove_avatar(user: User, *, actor: Actor) -> None:
    """Show no picture of a user. Repeating it changes nothing."""
    if actor.user != user:
        rbac.require(actor, "accounts.change_user", rbac.EVERYWHERE)
    if Avatar.objects.filter(user=user).delete()[0]:
        audit.record(actor, "user.avatar_removed", user)
