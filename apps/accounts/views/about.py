"""What is told to people about themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.accounts.models import Avatar, User
from apps.accounts.serializers import operational_permissions, permission_name
from apps.core.actors import Actor, Bounds
from apps.core.api.rows import address_of
from apps.rbac import services as rbac
from apps.rbac.rules import artifacts_of


@dataclass(frozen=True, slots=True)
class Picture:
    """Where a picture is read, and since when."""

    url: str | None = None
    updated_at: datetime | None = None


def avatar_of(user: User) -> Picture:
    """Return the picture of a user, if there is one."""
    found = Avatar.objects.filter(user=user).defer("image").first()
    return Picture(avatar_url(found), found.created_at) if found is not None else Picture()


def avatar_url(avatar: Avatar) -> str:
    """Return the address of a picture."""
    return address_of("me/avatar", avatar.pk)


def held_permissions(actor: Actor) -> list[str]:
    """Return the names of what the actor holds somewhere."""
    held: Any = operational_permissions()
    if not actor.user.is_superuser:
        held = held.filter(pk__in=rbac.permissions_held(actor).values("pk"))
    bounds = actor.bounds or Bounds()
    return [name for permission in held if bounds.permit(name := permission_name(permission))]


def artifact_rights(actor: Actor) -> dict[str, Any]:
    """Return what the actor holds somewhere as existing clients read it."""
    rights = {}
    for one in artifacts_of(held_permissions(actor), everything=actor.user.is_superuser):
        rights[one["artifact"]] = {name.removeprefix("can_"): may for name, may in one.items() if name != "artifact"}
    flat = {f"{artifact}:{verb}": may for artifact, verbs in rights.items() for verb, may in verbs.items()}
    return {"by_artifact": rights, "flat": flat}
