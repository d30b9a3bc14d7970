"""Addresses of users, keys and roles, below ``/api/v1/``."""

from apps.accounts.views.access import Permissions, RoleAssignmentViewSet, RoleViewSet
from apps.accounts.views.auth import AuthMe, ConfirmSignIn, Login, Logout
from apps.accounts.views.explaining import Explain
from apps.accounts.views.groups import GroupMemberViewSet, GroupViewSet
from apps.accounts.views.me import Me, OneAvatar, OtherSessions, OwnAvatar, OwnPassword, OwnSessionViewSet
from apps.accounts.views.users import ApiKeyViewSet, ServiceAccountViewSet, UserViewSet
from apps.core.api.routes import ApiRouter, api_path

router = ApiRouter()
router.register("users", UserViewSet, basename="users")
router.register("service-accounts", ServiceAccountViewSet, basename="service-accounts")
router.register("me/sessions", OwnSessionViewSet, basename="sessions")
router.register("api-keys", ApiKeyViewSet, basename="api-keys")
router.register("roles", RoleViewSet, basename="roles")
router.register("role-assignments", RoleAssignmentViewSet, basename="role-assignments")
router.register("access/groups", GroupViewSet, basename="access/groups")
router.register("access/group-members", GroupMemberViewSet, basename="access/group-members")

urlpatterns = [
    api_path("auth/login", Login.as_view(), name="login"),
    api_path("auth/logout", Logout.as_view(), name="logout"),
    api_path("auth/confirm", ConfirmSignIn.as_view(), name="confirm"),
    api_path("auth/me", AuthMe.as_view(), name="auth-me"),
    api_path("me", Me.as_view(), name="me"),
    api_path("access/explain", Explain.as_view(), name="access-explain"),
    api_path("me/change-password", OwnPassword.as_view(), name="change-password"),
    api_path("me/logout-others", OtherSessions.as_view(), name="logout-others"),
    api_path("me/avatar", OwnAvatar.as_view(), name="own-avatar"),
    api_path("me/avatar/<str:id>", OneAvatar.as_view(), name="avatar"),
    api_path("permissions", Permissions.as_view(), name="permissions"),
    *router.urls,
]
