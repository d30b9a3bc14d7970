"""Narrowing lists of users, keys, roles and assignments."""

from __future__ import annotations

from apps.accounts.models import ApiToken, User
from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter
from apps.rbac.models import Group, GroupMember, Role, RoleAssignment


class UserFilters(ApiFilterSet):
    """Users by name or kind."""

    username = TextFilter()
    email = TextFilter()

    class Meta(ApiFilterSet.Meta):
        model = User
        fields = ["username", "email", "kind", "is_active"]


class ServiceAccountFilters(ApiFilterSet):
    """Service accounts of a tenant."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")

    class Meta(ApiFilterSet.Meta):
        model = User
        fields = ["name", "tenant", "is_active"]


class ApiKeyFilters(ApiFilterSet):
    """Keys of a user or a tenant."""

    name = TextFilter()
    user = IdFilter(field_name="user_id")
    tenant = IdFilter(field_name="tenant_id")

    class Meta(ApiFilterSet.Meta):
        model = ApiToken
        fields = ["name", "user", "tenant"]


class RoleFilters(ApiFilterSet):
    """Roles by name."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")

    class Meta(ApiFilterSet.Meta):
        model = Role
        fields = ["name", "tenant", "is_builtin"]


class RoleAssignmentFilters(ApiFilterSet):
    """Assignments of a user or a group, of a role, or in a place."""

    user = IdFilter(field_name="user_id")
    group = IdFilter(field_name="group_id")
    role = IdFilter(field_name="role_id")
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")

    class Meta(ApiFilterSet.Meta):
        model = RoleAssignment
        fields = ["user", "group", "role", "tenant", "folder"]


class GroupFilters(ApiFilterSet):
    """Groups by name."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")

    class Meta(ApiFilterSet.Meta):
        model = Group
        fields = ["name", "tenant"]


class GroupMemberFilters(ApiFilterSet):
    """Members of a group, or the groups of a user."""

    group = IdFilter(field_name="group_id")
    user = IdFilter(field_name="user_id")

    class Meta(ApiFilterSet.Meta):
        model = GroupMember
        fields = ["group", "user", "is_claimed"]
