"""What existing BV clients say of roles and users, and what they read. The one place that translates their words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from apps.accounts.models import User
from apps.accounts.serializers import permission_name, permissions_named
from apps.core.errors import Invalid
from apps.core.names import clean_name
from apps.rbac.models import Role
from apps.rbac.rules import OPERATIONS, artifacts_of, verbs_of, with_artifacts
from apps.runner.serializers.robots import Body, table, text, truth, uuid

MOST_ROLES = 100


def role_body(role: Role) -> dict[str, Any]:
    """Return a role as they read it; `_internal_id` is the same id, as there is no other."""
    held = [permission_name(one) for one in role.permissions.all()]
    rights = artifacts_of(held, everything=role.grants_all)
    return {
        "id": role.pk,
        "_internal_id": role.pk,
        "name": role.name,
        "description": role.description,
        "created_at": role.created_at,
        "updated_at": None,
        "permissions": [{"id": one["artifact"], **one} for one in rights],
        "verbs": verbs_of(held, everything=role.grants_all),
    }


def read_role(data: Mapping[str, Any], role: Role | None = None) -> dict[str, Any]:
    """Read a new role, or what to change of one. Raises ``Invalid`` naming each wrong field."""
    body = Body(data)
    held = [] if role is None else list(role.permissions.select_related("content_type"))
    now: dict[str, Any] = {} if role is None else {"default": role.name}
    name = body.take("name", lambda value: clean_name(text(value, 1000)), "a text", **now)
    description = body.take("description", text, "a text", default="" if role is None else role.description)
    wanted = body.take("permissions", _rights, "a list of artifacts with can_view and so on", default=None)
    body.done()
    if len(name) > 100:
        raise Invalid.field("name", "at most 100 characters.")
    if wanted is not None:
        held = permissions_named(with_artifacts([permission_name(one) for one in held], wanted))
    return {"name": name, "description": description, "permissions": held}


def read_role_ids(data: Mapping[str, Any]) -> list[UUID]:
    """Read which roles are meant. Raises ``Invalid``."""
    body = Body(data)
    ids: list[UUID] = body.take("role_ids", _ids, f"a list of at most {MOST_ROLES} ids, which are UUIDs")
    body.done()
    return ids


def user_body(user: User, roles: Iterable[str]) -> dict[str, Any]:
    """Return a user as their lists show them."""
    return {
        "id": user.pk,
        "_internal_id": user.pk,
        "username": user.username,
        "email": user.email,
        "is_active": user.is_active,
        "status": "active" if user.is_active else "disabled",
        "locked_until": None,
        "roles": list(roles),
        "last_login": user.last_login,
    }


def _rights(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise TypeError
    return [_right(table(one)) for one in value]


def _right(told: dict[str, Any]) -> dict[str, Any]:
    may = {f"can_{one}": truth(told.get(f"can_{one}", False)) for one in OPERATIONS}
    return {"artifact": text(told["artifact"]), **may}


def _ids(value: Any) -> list[UUID]:
    if not isinstance(value, list) or len(value) > MOST_ROLES:
        raise TypeError
    return [uuid(one) for one in value]
