"""Roles, and who holds them where."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Permission
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


class RoleAssignment(Row):
    """Who holds a role where: everywhere, in one tenant, or in one folder and all below it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="role_assignments")
    role = models.ForeignKey(Role, on_delete=models.PROTECT, related_name="assignments")
    tenant = models.ForeignKey("tenancy.Tenant", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    folder = models.ForeignKey("tenancy.Folder", null=True, blank=True, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role", "tenant", "folder"], name="role_assigned_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                name="role_assignment_folder_names_tenant", condition=Q(folder=None) | Q(tenant__isnull=False)
            ),
            SameTenant("folder", name="role_assignment_same_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.role} for {self.user} {self.scope}"

    @property
    def scope(self) -> str:
        """Where the role is held, in words."""
        if self.folder is not None:
            return f"in {self.tenant} / {self.folder}"
        return f"in {self.tenant}" if self.tenant is not None else "everywhere"
