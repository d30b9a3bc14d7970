"""Roles, and who holds them where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.filters import RoleAssignmentFilters, RoleFilters
from apps.accounts.serializers import (
    AssignRole,
    ChangeRole,
    CreateRole,
    PermissionOut,
    RoleAssignmentOut,
    RoleOut,
    operational_permissions,
    permission_name,
    permissions_named,
)
from apps.accounts.views.groups import known_group
from apps.core.api.filters import refuse_unknown_parameters
from apps.core.api.rows import RowViewSet
from apps.core.api.views import ApiView
from apps.core.errors import Invalid
from apps.rbac import services as rbac
from apps.rbac.models import Role, RoleAssignment
from apps.rbac.rules import with_artifacts


class Permissions(ApiView):
    """What roles can be made of."""

    @extend_schema(responses=PermissionOut(many=True), operation_id="permissions_list")
    def get(self, request: Request) -> Response:
        """List every permission a role can allow. There are few: the answer is a plain list."""
        refuse_unknown_parameters(request)
        return Response(PermissionOut(operational_permissions(), many=True).data)


class RoleViewSet(RowViewSet):
    """Roles: named sets of permissions."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    queryset = Role.objects.prefetch_related("permissions__content_type")
    serializer_class = RoleOut
    filterset_class = RoleFilters
    orderings = ("name", "created_at")
    input_serializers = {"create": CreateRole, "partial_update": ChangeRole}

    def get_queryset(self) -> QuerySet[Role]:
        """Return the roles of the caller's tenants and those of the installation."""
        if getattr(self, "swagger_fake_view", False):
            return Role.objects.none()
        return rbac.visible_roles(self.actor).prefetch_related("permissions__content_type")

    def create(self, request: Request) -> Response:
        """Make a role. Nobody can put more into one than they hold in the same place."""
        asked = _with_permissions(self.asked(), ())
        return self.created(rbac.create_role(asked.pop("name"), actor=self.actor, **asked))

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change what a role is called and may do. Built-in roles stay as they are."""
        role: Any = self.get_object()
        held = list(role.permissions.select_related("content_type"))
        now = {"name": role.name, "description": role.description, "permissions": held}
        rbac.update_role(role, actor=self.actor, **{**now, **_with_permissions(self.asked(), held)})
        return self.answer(self.shown(role))

    def destroy(self, request: Request, id: Any) -> Response:
        """Delete a role that nobody holds."""
        return self.remove(rbac.delete_role)


def _with_permissions(asked: dict[str, Any], held: Iterable[Permission]) -> dict[str, Any]:
    """Return what was asked with artifacts turned into permissions. Raises ``Invalid`` where both are named."""
    artifacts = asked.pop("artifacts", None)
    if artifacts is None:
        return asked
    if "permissions" in asked:
        raise Invalid.field("artifacts", "name either permissions or artifacts.", code="contradiction")
    names = with_artifacts([permission_name(one) for one in held], artifacts)
    return {**asked, "permissions": permissions_named(names)}


class RoleAssignmentViewSet(RowViewSet):
    """Role assignments: who holds which role where."""

    queryset = RoleAssignment.objects.select_related("user", "group", "role", "tenant", "folder")
    serializer_class = RoleAssignmentOut
    filterset_class = RoleAssignmentFilters
    input_serializers = {"create": AssignRole}

    def get_queryset(self) -> QuerySet[RoleAssignment]:
        """Return what is held in the places the caller may look into, and what the caller holds."""
        if getattr(self, "swagger_fake_view", False):
            return RoleAssignment.objects.none()
        return rbac.visible_assignments(self.actor).select_related("user", "group", "role", "tenant", "folder")

    def create(self, request: Request) -> Response:
        """Let a user or a group hold a role everywhere, in a tenant, or in a folder and all below it.

        It may end by itself (`expires_at`); giving it again moves its end. Nobody gives what they do not hold
        themselves in the same place, or for longer than they hold it.
        """
        asked = self.asked()
        role = rbac.visible_roles(self.actor).filter(pk=asked.pop("role")).first()
        if role is None:
            raise Invalid.field("role", "There is no such role.", code="unknown")
        if "group" in asked:
            asked["group"] = known_group(self.actor, asked["group"])
        tenant, folder = asked.get("tenant"), asked.get("folder")
        if tenant is not None and folder is not None and folder.tenant_id != tenant.pk:
            raise Invalid.field("folder", "The folder is in another tenant.", code="contradiction")
        return self.created(rbac.assign_role(role, actor=self.actor, **asked))

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a role away from its holder."""
        return self.remove(rbac.revoke_role)
