"""Items: pieces of business work, the tries at them, and the leases under which somebody works on one."""

from __future__ import annotations

import uuid
from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.core import statements
from apps.core.actors import Actor
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.core.states import Stateful, StatefulQuerySet
from apps.queues.models.queues import Queue, QueueSchema
from apps.rbac import services as rbac

LONGEST_REFERENCE, LONGEST_TAG, LONGEST_CODE = 200, 63, 100
#: Of the tries at an item and of its leases so many are shown.
MOST_SHOWN = 100
#: A reference is looked for in so many queues at most.
MOST_SEARCHED = 1_000
MOST_OWNED = 100
"""Items of one job."""


class ItemStatus(models.TextChoices):
    NEW = "new"
    IN_PROGRESS = "in_progress", "in progress"  # its lease is held, whatever the clock says
    DONE = "done"
    FAILED = "failed"
    ABANDONED = "abandoned"


class ErrorType(models.TextChoices):
    APPLICATION = "application"  # may be tried again
    BUSINESS = "business"  # never tried again by itself
    SYSTEM = "system"  # its holder vanished, or we gave it up


class ReviewStatus(models.TextChoices):
    NONE = "none", "not reviewed"
    OPEN = "open", "to be reviewed"
    IN_REVIEW = "in_review", "in review"
    VERIFIED = "verified"
    RETRIED = "retried"


class ItemQuerySet(StatefulQuerySet["QueueItem"]):
    def alive(self) -> ItemQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> ItemQuerySet:
        return rbac.visible(self, actor, "queues.view_queueitem")

    def waiting(self) -> ItemQuerySet:
        """Return what could be handed out now, by the database's clock."""
        return self.alive().filter(status=ItemStatus.NEW, available_at__lte=Now(), reserved_for=None)

    def late(self) -> ItemQuerySet:
        """Return what is unfinished after the time that its queue promises, by the database's clock."""
        return self.filter(status__in=[ItemStatus.NEW, ItemStatus.IN_PROGRESS], deleted_at=None, late_at__lte=Now())

    def referenced(self, reference: str, actor: Actor) -> ItemQuerySet:
        """Return the items of that reference, in the queues that the actor may see: their index begins with those."""
        queues = list(Queue.objects.visible_to(actor).order_by().values_list("pk", flat=True)[:MOST_SEARCHED])
        return self.filter(reference=reference, queue_id__in=queues)


class QueueItem(Stateful, TenantRow):
    """One try at a piece of business work. A retry is a new item that points at the one it retries."""

    TRANSITIONS: ClassVar = {
        ItemStatus.NEW: {ItemStatus.IN_PROGRESS, ItemStatus.FAILED, ItemStatus.ABANDONED},
        ItemStatus.IN_PROGRESS: {ItemStatus.NEW, ItemStatus.DONE, ItemStatus.FAILED, ItemStatus.ABANDONED},
        ItemStatus.DONE: set(),
        ItemStatus.FAILED: set(),
        ItemStatus.ABANDONED: set(),
    }

    # Without indexes of their own: each is the first column of one below, or nothing is ever found by it.
    tenant = models.ForeignKey(
        "tenancy.Tenant", on_delete=models.PROTECT, related_name="+", editable=False, db_index=False
    )
    folder = InTenant("tenancy.Folder", related_name="+", db_index=False)
    queue = InTenant(Queue, related_name="items", db_index=False)
    status = models.CharField(max_length=16, choices=ItemStatus, default=ItemStatus.NEW)
    reference = models.CharField(max_length=LONGEST_REFERENCE, blank=True)
    payload = models.JSONField(null=True)
    schema = InTenant(QueueSchema, null=True, related_name="+", db_index=False)
    priority = models.SmallIntegerField(default=0)
    available_at = models.DateTimeField(db_default=Now(), help_text="Not handed out before.")
    deadline = models.DateTimeField(null=True)
    late_at = models.DateTimeField(null=True, help_text="When it counts as late, unfinished.")
    tags = ArrayField(models.CharField(max_length=LONGEST_TAG), default=list, blank=True)

    attempt = models.PositiveSmallIntegerField(default=1)
    retry_of = InTenant("self", null=True, related_name="retries", db_index=False)
    lineage = models.UUIDField(editable=False, help_text="The id of the first of the tries it belongs to.")
    crashes = models.PositiveSmallIntegerField(default=0, help_text="How often its holder vanished.")
    reserved_for = models.UUIDField(null=True, help_text="The job that owns it; nobody else is given it.")
    job_id = models.UUIDField(null=True, help_text="The job in which it was last worked on.")

    result = models.JSONField(null=True)
    error_type = models.CharField(max_length=12, choices=ErrorType, blank=True)
    error_code = models.CharField(max_length=LONGEST_CODE, blank=True)
    error_reason = models.TextField(blank=True)
    progress = models.JSONField(null=True)
    review_status = models.CharField(max_length=12, choices=ReviewStatus, default=ReviewStatus.NONE)
    reviewer = models.CharField(max_length=200, blank=True)
    review_comment = models.TextField(blank=True)

    created_by = models.CharField(max_length=200)
    taken_at = models.DateTimeField(null=True, help_text="When it was last handed out.")
    finished_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = ItemQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("queueitem"),
            SameTenant("folder", name="queueitem_folder_same_tenant"),
            SameTenant("queue", name="queueitem_queue_same_tenant"),
            SameTenant("schema", name="queueitem_schema_same_tenant"),
            SameTenant("retry_of", name="queueitem_retry_of_same_tenant"),
            models.CheckConstraint(name="queueitem_status_known", condition=Q(status__in=ItemStatus.values)),
            models.CheckConstraint(
                name="queueitem_final_has_end",
                condition=Q(status__in=["done", "failed", "abandoned"], finished_at__isnull=False)
                | (~Q(status__in=["done", "failed", "abandoned"]) & Q(finished_at=None)),
            ),
            models.CheckConstraint(
                name="queueitem_failed_has_error", condition=~Q(status="failed") | ~Q(error_type="")
            ),
            models.CheckConstraint(name="queueitem_attempt_positive", condition=Q(attempt__gte=1)),
            models.UniqueConstraint(
                fields=["retry_of"], name="queueitem_one_successor", condition=Q(retry_of__isnull=False)
            ),
        ]
        indexes = [
            models.Index(
                F("queue"),
                F("priority").desc(),
                F("deadline").asc(nulls_last=True),
                F("id"),
                name="queueitem_in_line",
                condition=Q(status="new", deleted_at=None, reserved_for=None),
            ),
            models.Index(
                fields=["queue", "reference", "-id"], name="queueitem_by_reference", condition=~Q(reference="")
            ),
            models.Index(fields=["queue", "status", "-id"], name="queueitem_newest_by_status"),
            models.Index(
                fields=["queue", "error_type", "-id"], name="queueitem_newest_by_error", condition=~Q(error_type="")
            ),
            models.Index(
                fields=["queue", "error_code", "-id"], name="queueitem_newest_by_code", condition=~Q(error_code="")
            ),
            models.Index(
                fields=["queue", "review_status", "-id"],
                name="queueitem_newest_by_review",
                condition=~Q(review_status="none"),
            ),
            models.Index(fields=["queue", "-id"], name="queueitem_newest_of_queue"),
            models.Index(fields=["folder", "-id"], name="queueitem_newest_of_folder"),
            models.Index(fields=["lineage", "attempt"], name="queueitem_by_lineage"),
            models.Index(fields=["reserved_for"], name="queueitem_by_owner", condition=Q(reserved_for__isnull=False)),
            models.Index(fields=["job_id"], name="queueitem_by_job", condition=Q(job_id__isnull=False)),
            models.Index(
                fields=["queue", "finished_at"], name="queueitem_finished", condition=Q(finished_at__isnull=False)
            ),
            models.Index(
                fields=["queue", "available_at"], name="queueitem_postponed", condition=Q(status="new", deleted_at=None)
            ),
            models.Index(
                fields=["queue", "late_at"],
                name="queueitem_late",
                condition=Q(status__in=["new", "in_progress"], deleted_at=None, late_at__isnull=False),
            ),
            models.Index(fields=["queue", "finished_at"], name="queueitem_failed", condition=Q(status="failed")),
            models.Index(
                fields=["queue", "deleted_at"],
                name="queueitem_deleted_unused",
                condition=Q(status="new", deleted_at__isnull=False),
            ),
            GinIndex(fields=["tags"], name="queueitem_tags"),
        ]
        permissions = [
            ("take_queueitem", "Can take items to work on them"),
            ("requeue_queueitem", "Can requeue, postpone and prioritise items"),
            ("review_queueitem", "Can review items"),
            ("sweep_queueitem", "Can take items back from holders that vanished"),
        ]

    @property
    def tries(self) -> models.QuerySet[QueueItem]:
        """All tries at the same piece of work, the oldest first."""
        return type(self).objects.filter(lineage=self.lineage).order_by("id")[:MOST_SHOWN]

    @property
    def successor(self) -> UUID | None:
        """The next try at it, where there is one."""
        return self.retries.values_list("pk", flat=True).first()

    @property
    def lease_history(self) -> models.QuerySet[ItemLease]:
        """Who held it, the newest first."""
        return ItemLease.objects.filter(item=self).order_by("-id")[:MOST_SHOWN]

    def __str__(self) -> str:
        return self.reference or f"item …{str(self.pk)[-8:]}"


class HolderKind(models.TextChoices):
    EXECUTION = "execution"  # a job's try; the lease ends with it
    ROBOT = "robot"
    PERSON = "person"
    SERVICE = "service"


class ItemLeaseQuerySet(models.QuerySet["ItemLease"]):
    def overdue(self) -> ItemLeaseQuerySet:
        """Return what the sweep may close, by the database's clock. Within a job the execution's lease counts alone."""
        return self.filter(closed_at=None, expires_at__lt=Now())


class ItemLease(TenantRow):
    """Somebody's time-limited right to work on an item. Its random id fences every later call about it."""

    item = InTenant(QueueItem, related_name="leases", db_index=False)
    queue = InTenant(Queue, related_name="+", db_index=False)
    lease_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    holder_kind = models.CharField(max_length=12, choices=HolderKind)
    holder_id = models.UUIDField(help_text="The robot, user or service account; inside a job its robot.")
    execution_id = models.UUIDField(null=True)
    granted_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, help_text="Inside a job: none of its own, the execution's counts.")
    closed_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, blank=True, help_text="done, failed, abandoned, released or expired.")
    result_digest = models.CharField(max_length=64, blank=True)
    late_report = models.JSONField(null=True, help_text="What its holder said when it no longer counted.")

    objects = ItemLeaseQuerySet.as_manager()

    class Meta:
        constraints = [
            SameTenant("item", name="itemlease_item_same_tenant"),
            SameTenant("queue", name="itemlease_queue_same_tenant"),
            models.UniqueConstraint(fields=["item"], name="itemlease_one_open", condition=Q(closed_at=None)),
            models.CheckConstraint(name="itemlease_closed_has_outcome", condition=Q(closed_at=None) | ~Q(outcome="")),
            models.CheckConstraint(
                name="itemlease_ends", condition=Q(expires_at__isnull=False) | Q(execution_id__isnull=False)
            ),
        ]
        indexes = [
            models.Index(fields=["item", "-id"], name="itemlease_newest_of_item"),
            models.Index(fields=["expires_at"], name="itemlease_running_out", condition=Q(closed_at=None)),
            models.Index(fields=["execution_id"], name="itemlease_open_by_execution", condition=Q(closed_at=None)),
            models.Index(fields=["queue"], name="itemlease_open_by_queue", condition=Q(closed_at=None)),
        ]

    def __str__(self) -> str:
        return f"lease of {self.item}"


#: Asked at the end of every execution, so it costs two look-ups in small indexes and no more.
_HOLDS = """
    SELECT EXISTS (SELECT 1 FROM queues_itemlease WHERE execution_id = %(execution)s::uuid AND closed_at IS NULL)
        OR EXISTS (SELECT 1 FROM queues_queueitem WHERE reserved_for = %(job)s::uuid AND status = 'new')
"""


def holds_items(job_id: UUID, execution_id: UUID | None = None) -> bool:
    """Say whether an execution holds items, or some wait for its job alone."""
    [(holds,)] = statements.fetch(_HOLDS, {"job": job_id, "execution": execution_id})
    return bool(holds)


def owned_by(job_id: UUID) -> list[UUID]:
    """Return the items that a job owns, whatever has become of them, in the order in which they were added."""
    owned = QueueItem.objects.filter(reserved_for__isnull=False, reserved_for=job_id)
    return list(owned.order_by("pk").values_list("pk", flat=True)[:MOST_OWNED])


def owned_under(execution_id: UUID) -> list[UUID]:
    """Return the items of its job that an execution holds, best first."""
    owned = QueueItem.objects.filter(reserved_for__isnull=False)
    held = owned.filter(leases__execution_id=execution_id, leases__closed_at=None)
    return list(held.order_by("-priority", F("deadline").asc(nulls_last=True), "pk").values_list("pk", flat=True))
