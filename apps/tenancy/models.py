"""Tenants, which nothing crosses, and the folders in which work lives."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower, Now
from django.utils import timezone

from apps.core.actors import Actor
from apps.core.bin import Binnable, in_bin
from apps.core.models import InTenant, Row, SameTenant, TenantRow, tenant_key
from apps.core.states import Stateful
from apps.rbac import services as rbac

#: How deep folders may nest; the path column is made for it.
MAX_FOLDER_DEPTH = 8


class TenantStatus(models.TextChoices):
    ACTIVE = "active"
    SUSPENDED = "suspended"  # robots are refused, staff may read


class TenantQuerySet(models.QuerySet["Tenant"]):
    def visible_to(self, actor: Actor) -> TenantQuerySet:
        """Return the tenants in which the actor may do anything at all."""
        return rbac.visible(self, actor, "tenancy.view_tenant")


class Tenant(Stateful, Row):
    """The isolation boundary: every operational row reaches exactly one."""

    TRANSITIONS: ClassVar = {
        TenantStatus.ACTIVE: {TenantStatus.SUSPENDED},
        TenantStatus.SUSPENDED: {TenantStatus.ACTIVE},
    }

    slug = models.SlugField(max_length=63, unique=True, help_text="Appears in addresses. Cannot be changed.")
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=16, choices=TenantStatus, default=TenantStatus.ACTIVE)

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(name="tenant_status_known", condition=Q(status__in=TenantStatus.values))]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def tenant_id(self) -> UUID:
        """A tenant is in itself, so that permissions and audit treat it like any other row."""
        return self.pk


class FolderQuerySet(models.QuerySet["Folder"]):
    def alive(self) -> FolderQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> FolderQuerySet:
        return rbac.visible(self, actor, "tenancy.view_folder")


class Folder(Binnable, TenantRow):
    """The place inside a tenant where work lives. Folders nest, and what is granted on one reaches down."""

    NAMED_WITHIN = ("tenant", "parent")

    parent = InTenant("self", null=True, blank=True, related_name="children")
    name = models.CharField(max_length=100)
    path = models.CharField(max_length=MAX_FOLDER_DEPTH * 33 + 1, editable=False)
    is_default = models.BooleanField(default=False, editable=False)

    objects = FolderQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("folder"),
            SameTenant("parent", name="folder_parent_same_tenant"),
            models.UniqueConstraint(
                "tenant",
                "parent",
                Lower("name"),
                name="folder_name_free",
                condition=Q(deleted_at=None),
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["tenant"], name="folder_one_default", condition=Q(is_default=True, deleted_at=None)
            ),
        ]
        indexes = [
            in_bin("folder"),
            models.Index(fields=["path"], name="folder_by_path", opclasses=["text_pattern_ops"]),
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def depth(self) -> int:
        """How many folders lie above, this one included."""
        return self.path.count("/") - 1

    @property
    def ancestor_ids(self) -> list[UUID]:
        """The ids of the folders above, from the top down."""
        return [UUID(part) for part in self.path.strip("/").split("/")[:-1]]


class QuotaName(models.TextChoices):
    """What of a tenant can be limited."""

    ROBOTS = "robots"
    JOBS_PER_HOUR = "jobs_per_hour", "Jobs per hour"


class Quota(TenantRow):
    """The most that a tenant may have of something; without a row there is no limit.

    ``told`` is the share in percent that was last told of as reached, so that each crossing is told of once.
    """

    name = models.CharField(max_length=32, choices=QuotaName)
    most = models.PositiveBigIntegerField()
    set_by = models.CharField(max_length=200)
    set_at = models.DateTimeField(db_default=Now())
    told = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="quota_once")]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_name_display()} of {self.tenant}"


class BrakeQuerySet(models.QuerySet["Brake"]):
    def visible_to(self, actor: Actor) -> BrakeQuerySet:
        """Return the brakes that concern the actor: of everything, of its tenants, and of folders it sees or is below.

        A brake on a folder of others would tell its name and what is the matter there.
        """
        tenants = Q(tenant__in=Tenant.objects.visible_to(actor))
        reached = Folder.objects.visible_to(actor).filter(path__startswith=OuterRef("folder__path"))
        return self.filter(Q(tenant=None) | tenants & (Q(folder=None) | Exists(reached)))

    def on(self) -> BrakeQuerySet:
        """Return those that hold now, by the database's clock."""
        return self.filter(Q(until=None) | Q(until__gt=Now()), lifted_at=None)


class Brake(Row):
    """An emergency stop: nothing is dispatched, or no trigger fires, in a folder, a tenant or everywhere."""

    # Not a TenantRow: without a tenant it holds for the whole installation.
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.PROTECT, related_name="brakes")
    folder = models.ForeignKey(Folder, null=True, blank=True, on_delete=models.PROTECT, related_name="brakes")
    holds_dispatch = models.BooleanField("holds jobs", default=True, help_text="No robot is given a job.")
    holds_triggers = models.BooleanField(default=True, help_text="No trigger fires; each due time says why.")
    reason = models.CharField(max_length=300)
    until = models.DateTimeField(null=True, blank=True, help_text="It lifts itself then. Empty: by hand.")
    set_by = models.CharField(max_length=200, editable=False)
    lifted_at = models.DateTimeField(null=True, editable=False)
    lifted_by = models.CharField(max_length=200, blank=True, editable=False)

    objects = BrakeQuerySet.as_manager()

    class Meta:
        constraints = [
            SameTenant("folder", name="brake_folder_same_tenant"),
            models.CheckConstraint(name="brake_folder_has_tenant", condition=Q(folder=None) | Q(tenant__isnull=False)),
            models.CheckConstraint(
                name="brake_holds_something", condition=Q(holds_dispatch=True) | Q(holds_triggers=True)
            ),
            models.CheckConstraint(name="brake_has_reason", condition=~Q(reason="")),
        ]
        indexes = [models.Index(fields=["tenant"], name="brake_on", condition=Q(lifted_at=None))]
        permissions = [("lift_brake", "Can lift a brake")]

    def __str__(self) -> str:
        return f"brake on {self.folder or self.tenant or 'everything'}"

    @property
    def is_on(self) -> bool:
        """Whether it holds now, by the clock of this process; what is held is decided by the database's."""
        return self.lifted_at is None and (self.until is None or self.until > timezone.now())
