"""Users, keys, roles and who holds them, as callers send and see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.models import User
from apps.accounts.services import Explanation
from apps.core.api.identifiers import IdField
from apps.core.api.rows import ChangeSerializer, RowField, RowRef
from apps.core.api.serializers import InputSerializer, MomentField, NameField, OutputSerializer
from apps.core.api.strict_json import shown
from apps.rbac import services as rbac
from apps.rbac.models import Group, GroupMember, Role, RoleAssignment
from apps.rbac.rules import ARTIFACTS, OPERATIONAL_APPS, artifacts_of, verbs_of
from apps.tenancy.models import Folder, Tenant

MOST_PERMISSIONS = 500


class UserOut(OutputSerializer):
    """Somebody who signs in, or a service account that only holds keys."""

    class Meta:
        model = User
        fields = ["id", "username", "name", "email", "kind", "tenant", "time_zone", "is_active", "created_at"]


class TenantRef(serializers.Serializer):
    """A tenant, as far as one needs to know it."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()


class HeldRole(serializers.ModelSerializer):
    """A role of yours and where you hold it; without tenant and folder: everywhere."""

    role = serializers.CharField(source="role.name")
    tenant = serializers.UUIDField(source="tenant_id", allow_null=True)
    folder = serializers.UUIDField(source="folder_id", allow_null=True)

    class Meta:
        model = RoleAssignment
        fields = ["role", "tenant", "folder"]


class MeOut(serializers.Serializer):
    """Who you are, and what you may do somewhere."""

    user = UserOut()
    display_name = serializers.CharField()
    time_zone = serializers.CharField()
    preferences = serializers.JSONField()
    avatar_url = serializers.CharField(allow_null=True)
    bound_to = TenantRef(allow_null=True, help_text="The one tenant that this credential reaches; null: all of yours.")
    is_superuser = serializers.BooleanField()
    tenants = TenantRef(many=True)
    roles = HeldRole(many=True)
    permissions = serializers.ListField(
        child=serializers.CharField(), help_text="What you hold somewhere, such as `jobs.cancel_job`."
    )


class ServiceAccountOut(OutputSerializer):
    """An account for programs: it has keys and no password, and lives in one tenant."""

    class Meta:
        model = User
        fields = ["id", "username", "name", "tenant", "is_active", "created_at"]


class CreateServiceAccount(InputSerializer):
    name = NameField(max_length=60)


class PermissionOut(serializers.Serializer):
    """Something a role can allow."""

    name = serializers.SerializerMethodField(help_text="Such as `jobs.cancel_job`.")
    description = serializers.CharField(source="name")

    def get_name(self, permission: Permission) -> str:
        return permission_name(permission)


class ArtifactRights(InputSerializer):
    """What may be done to one kind of thing."""

    artifact = serializers.ChoiceField(choices=list(ARTIFACTS))
    can_view = serializers.BooleanField(required=False, default=False)
    can_create = serializers.BooleanField(required=False, default=False)
    can_edit = serializers.BooleanField(required=False, default=False)
    can_delete = serializers.BooleanField(required=False, default=False)


class RoleOut(OutputSerializer):
    """A named set of permissions."""

    permissions = serializers.SerializerMethodField()
    artifacts = serializers.SerializerMethodField(
        help_text="The same by artifact: what may be seen, made, changed and deleted in full."
    )
    verbs = serializers.SerializerMethodField(help_text="What else may be done, such as `run` or `cancel`.")

    class Meta:
        model = Role
        fields = [
            "id", "tenant", "name", "description", "is_builtin", "grants_all", "permissions", "artifacts", "verbs",
            "created_at",
        ]  # fmt: skip

    def get_permissions(self, role: Role) -> list[str]:
        return sorted(permission_name(permission) for permission in role.permissions.all())

    @extend_schema_field(ArtifactRights(many=True))
    def get_artifacts(self, role: Role) -> list[dict[str, Any]]:
        return artifacts_of(self.get_permissions(role), everything=role.grants_all)

    def get_verbs(self, role: Role) -> list[str]:
        return verbs_of(self.get_permissions(role), everything=role.grants_all)


class PermissionsField(serializers.ListField):
    """Permissions by their names, which become the permissions."""

    child = serializers.CharField(max_length=200)
    default_error_messages = {"unknown": "There are no such permissions: {names}."}

    def to_internal_value(self, data: Any) -> list[Permission]:
        names = set(super().to_internal_value(data))
        known = {permission_name(permission): permission for permission in operational_permissions()}
        if unknown := sorted(names - known.keys()):
            self.fail("unknown", names=", ".join(shown(name) for name in unknown[:10]))
        return [known[name] for name in sorted(names)]


class CreateRole(InputSerializer):
    name = NameField(max_length=100)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    tenant = RowField(
        Tenant.objects.all(), required=False, allow_null=True, help_text="Null: the whole installation knows the role."
    )
    permissions = PermissionsField(
        max_length=MOST_PERMISSIONS, required=False, help_text="Such as `jobs.cancel_job`; or name `artifacts`."
    )
    artifacts = ArtifactRights(many=True, required=False, help_text="In place of `permissions`: all that is granted.")


class ChangeRole(ChangeSerializer):
    name = NameField(max_length=100)
    description = serializers.CharField(max_length=500, allow_blank=True)
    permissions = PermissionsField(max_length=MOST_PERMISSIONS)
    artifacts = ArtifactRights(many=True, help_text="In place of `permissions`: all that is granted.")


class RoleAssignmentOut(OutputSerializer):
    """Who holds a role where, a user or a group; without tenant and folder: everywhere."""

    user = serializers.SerializerMethodField()
    group = RowRef(allow_null=True)
    role = RowRef()

    class Meta:
        model = RoleAssignment
        fields = ["id", "user", "group", "role", "tenant", "folder", "expires_at", "created_at"]

    @extend_schema_field(RowRef(allow_null=True))
    def get_user(self, assignment: RoleAssignment) -> dict[str, str] | None:
        return None if assignment.user is None else {"id": str(assignment.user_id), "name": str(assignment.user)}


class AssignRole(InputSerializer):
    role = IdField()
    user = RowField(User.objects.get_queryset(), required=False, help_text="Who holds it: a user, or a group.")
    group = IdField(required=False)
    tenant = RowField(Tenant.objects.all(), required=False, allow_null=True)
    folder = RowField(
        Folder.objects.alive(), required=False, allow_null=True, help_text="Neither tenant nor folder: everywhere."
    )
    expires_at = MomentField(
        required=False, allow_null=True, help_text="When it ends by itself; the database's clock decides. Null: never."
    )


class GroupOut(OutputSerializer):
    """People who hold roles together."""

    class Meta:
        model = Group
        fields = ["id", "tenant", "name", "description", "claims", "created_at"]


class ClaimsField(serializers.ListField):
    """Values that a sign-in elsewhere may tell."""

    child = serializers.CharField(max_length=200)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=50, help_text="Who signs in elsewhere with one of these is a member.", **kwargs)


class CreateGroup(InputSerializer):
    name = NameField(max_length=100)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    tenant = RowField(
        Tenant.objects.all(), required=False, allow_null=True, help_text="Null: a group of the whole installation."
    )
    claims = ClaimsField(required=False, default=list)


class ChangeGroup(ChangeSerializer):
    name = NameField(max_length=100)
    description = serializers.CharField(max_length=500, allow_blank=True)
    claims = ClaimsField()


class GroupMemberOut(OutputSerializer):
    """Who is in a group."""

    group = RowRef()
    user = serializers.SerializerMethodField()

    class Meta:
        model = GroupMember
        fields = ["id", "group", "user", "is_claimed", "created_at"]

    @extend_schema_field(RowRef)
    def get_user(self, member: GroupMember) -> dict[str, str]:
        return {"id": str(member.user_id), "name": str(member.user)}


class AddMember(InputSerializer):
    group = IdField()
    user = RowField(User.objects.get_queryset())


class GrantOut(serializers.Serializer):
    """One thing that lets somebody do it."""

    kind = serializers.ChoiceField(choices=["superuser", "role", "object"])
    is_hidden = serializers.BooleanField(help_text="Whether you may not look at where it is given.")
    assignment = RoleAssignmentOut(allow_null=True)
    group = RowRef(allow_null=True, help_text="The group through which it is given.")
    scope = serializers.SerializerMethodField(help_text="Where a role is held, in words.")

    def get_scope(self, grant: rbac.Grant) -> str:
        return grant.assignment.scope if grant.assignment else ""


class AnswerOut(serializers.Serializer):
    """Whether somebody may do one thing, and why."""

    permission = serializers.CharField()
    allowed = serializers.BooleanField(source="is_allowed")
    grants = GrantOut(many=True)
    missing = serializers.CharField(help_text="What is missing, in words; empty where nothing is.")
    could_grant = serializers.SerializerMethodField(help_text="Who could give it, as far as you may know them.")

    @extend_schema_field(RowRef(many=True))
    def get_could_grant(self, answer: rbac.Answer) -> list[dict[str, str]]:
        givers = self.context["givers"].get(answer.permission, ())
        return [{"id": str(user.pk), "name": str(user)} for user in givers]


class ExplanationOut(serializers.Serializer):
    """Why a user may or may not do things to a row; `object` is null for the whole installation."""

    user = serializers.SerializerMethodField()
    object = serializers.SerializerMethodField()
    answers = serializers.SerializerMethodField()

    @extend_schema_field(RowRef)
    def get_user(self, found: Explanation) -> dict[str, str]:
        return {"id": str(found.user.pk), "name": str(found.user)}

    @extend_schema_field(RowRef(allow_null=True))
    def get_object(self, found: Explanation) -> dict[str, str] | None:
        return None if found.row is None else {"id": str(found.row.pk), "name": str(found.row)}

    @extend_schema_field(AnswerOut(many=True))
    def get_answers(self, found: Explanation) -> Any:
        return AnswerOut(found.answers, many=True, context={"givers": found.givers}).data


def permission_name(permission: Permission) -> str:
    """Return what a permission is called everywhere: ``app.codename``."""
    return f"{permission.content_type.app_label}.{permission.codename}"


def permissions_named(names: Iterable[str]) -> list[Permission]:
    """Return permissions by their names."""
    wanted = set(names)
    return [one for one in operational_permissions() if permission_name(one) in wanted]


def operational_permissions() -> QuerySet[Permission]:
    """Return what roles can be made of."""
    wanted = Permission.objects.filter(content_type__app_label__in=OPERATIONAL_APPS)
    return wanted.select_related("content_type").order_by("content_type__app_label", "codename")
