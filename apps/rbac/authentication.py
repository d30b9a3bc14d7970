"""The door through which Django itself asks for permissions: ``user.has_perm`` gives our answer."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend

from apps.core.actors import Actor
from apps.rbac import services as rbac


class RoleBackend(ModelBackend):
    """Answers ``has_perm`` from roles and object permissions. Signing in is for others: it takes counting."""

    def authenticate(self, request: Any, **credentials: Any) -> None:  # type: ignore[override]
        """Know nobody."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return bool(user_obj.is_active) and rbac.allows(Actor.person(user_obj), perm, obj)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return bool(user_obj.is_active) and rbac.allows(Actor.person(user_obj), f"{app_label}.*")

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return nothing: the sets Django would cache cannot say where a permission holds."""
        return set()
