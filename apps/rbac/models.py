"""Roles, and who holds them where."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.core.models import Row, SameTenant


class Role(Row):
    """A named set of permissions, such as *Operator*."""

    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True)
    tenant = models.ForeignKey(
        "tenancy.Tenant",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Only this tenant knows the role. Empty: the whole installation does.",
    )
    permissions = models.ManyToManyField(Permission, blank=True, related_name="+")
    grants_all = models.BooleanField(
        "grants everything", default=False, help_text="Every permission there is or will be, within its scope."
    )
    is_builtin = models.BooleanField(default=False, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="role_name_free", nulls_distinct=False),
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Group(Row):
    """People who hold roles and object permissions together; whoever is a member has them all."""

    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True)
    tenant = models.ForeignKey(
        "tenancy.Tenant",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The group holds roles in this tenant only. Empty: anywhere in the installation.",
    )
    claims = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Whoever signs in elsewhere with one of these values among their groups is a member.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="group_name_free", nulls_distinct=False),
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class GroupMember(Row):
    """Who is in a group, and whether they were put there by hand or by what their sign-in told."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="group_memberships")
    is_claimed = models.BooleanField(
        "by sign-in", default=False, editable=False, help_text="It ends when a sign-in no longer tells of it."
    )

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="group_member_once")]
        indexes = [models.Index(fields=["user", "group"], name="group_member_by_user")]

    def __str__(self) -> str:
        return f"{self.user} in {self.group}"

    @property
    def tenant_id(self) -> Any:
        """A membership is where its group is."""
        return self.group.tenant_id


class GroupObjectPermission(Row):
    """One permission on one object for all of a group: what guardian keeps for single users, in the same shape."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="object_permissions")
    permission = models.ForeignKey(Permission, on_delete=models.CASCADE, related_name="+")
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, related_name="+")
    object_pk = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["group", "permission", "object_pk"], name="group_object_permission_once"),
        ]
        indexes = [models.Index(fields=["content_type", "object_pk"], name="group_permission_by_object")]

    def __str__(self) -> str:
        return f"{self.permission.codename} for {self.group}"


class RoleAssignment(Row):
    """Who holds a role where: everywhere, in one tenant, or in one folder and all below it.

    A user or a group holds it. Past ``expires_at`` it gives nothing any more, whether or not it is still there.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="role_assignments"
    )
    group = models.ForeignKey(Group, null=True, blank=True, on_delete=models.PROTECT, related_name="role_assignments")
    role = models.ForeignKey(Role, on_delete=models.PROTECT, related_name="assignments")
    tenant = models.ForeignKey("tenancy.Tenant", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    folder = models.ForeignKey("tenancy.Folder", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When it ends by itself. Empty: never.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "group", "role", "tenant", "folder"], name="role_assigned_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                name="role_assignment_one_holder",
                condition=Q(user=None, group__isnull=False) | Q(user__isnull=False, group=None),
            ),
            models.CheckConstraint(
                name="role_assignment_folder_names_tenant", condition=Q(folder=None) | Q(tenant__isnull=False)
            ),
            SameTenant("folder", name="role_assignment_same_tenant"),
        ]
        indexes = [
            models.Index(fields=["group"], name="role_assignment_by_group", condition=Q(group__isnull=False)),
            models.Index(fields=["expires_at"], name="role_assignment_by_end", condition=Q(expires_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.role} for {self.holder} {self.scope}"

    @property
    def holder(self) -> Any:
        """The user or the group that holds it."""
        return self.user if self.group is None else self.group

    @property
    def scope(self) -> str:
        """Where the role is held, in words."""
        if self.folder is not None:
            return f"in {self.tenant} / {self.folder}"
        return f"in {self.tenant}" if self.tenant is not None else "everywhere"
