"""Addresses of users, keys and roles, below ``/api/v1/``."""

from apps.accounts.views.access import Permissions, RoleAssignmentViewSet, RoleViewSet
from apps.accounts.views.explaining import Explain
from apps.accounts.views.groups import GroupMemberViewSet, GroupViewSet
from apps.accounts.views.users import ApiKeyViewSet, Me, ServiceAccountViewSet, UserViewSet
from apps.core.api.routes import ApiRouter, api_path

router = ApiRouter()
router.register("users", UserViewSet, basename="users")
router.register("service-accounts", ServiceAccountViewSet, basename="service-accounts")
router.register("api-keys", ApiKeyViewSet, basename="api-keys")
router.register("roles", RoleViewSet, basename="roles")
router.register("role-assignments", RoleAssignmentViewSet, basename="role-assignments")
router.register("access/groups", GroupViewSet, basename="access/groups")
router.register("access/group-members", GroupMemberViewSet, basename="access/group-members")

urlpatterns = [
    api_path("me", Me.as_view(), name="me"),
    api_path("access/explain", Explain.as_view(), name="access-explain"),
    api_path("permissions", Permissions.as_view(), name="permissions"),
    *router.urls,
]
