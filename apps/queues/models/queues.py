"""Queues: where business work waits, and the rules by which it is handed out and tried again."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from apps.core.actors import Actor
from apps.core.bin import Binnable, in_bin
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.rbac import services as rbac

LOWEST_PRIORITY, HIGHEST_PRIORITY = -1000, 1000
SHORTEST_LEASE, LONGEST_LEASE = 10, 24 * 3600


class UniqueReferences(models.TextChoices):
    """Among which items of a queue a reference may stand only once. A retry never counts against its own lineage."""

    OFF = "off", "need not be unique"
    UNFINISHED = "unfinished", "among items that are not finished"
    WINDOW = "window", "among items of the last while"
    ALWAYS = "always", "among all items there are"


class QueueQuerySet(models.QuerySet["Queue"]):
    def alive(self) -> QueueQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> QueueQuerySet:
        return rbac.visible(self, actor, "queues.view_queue")


class Queue(Binnable, TenantRow):
    """A place where items wait. Times are in seconds."""

    folder = InTenant("tenancy.Folder", related_name="+")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=2000, blank=True)

    max_attempts = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="All tries at an item, the first included. Only application and system errors are tried again.",
    )
    backoff_base = models.PositiveIntegerField(
        default=10, help_text="Seconds before the second try; doubles each time."
    )
    backoff_cap = models.PositiveIntegerField(default=3600, help_text="Seconds a wait never exceeds.")
    backoff_jitter = models.BooleanField(
        default=True, help_text="Spread waits at random, so that retries do not bunch."
    )
    unique_references = models.CharField(max_length=12, choices=UniqueReferences, default=UniqueReferences.OFF)
    unique_window = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds for which a reference stays taken, where it is unique for a while."
    )
    default_priority = models.SmallIntegerField(
        default=0,
        validators=[MinValueValidator(LOWEST_PRIORITY), MaxValueValidator(HIGHEST_PRIORITY)],
        help_text="Of items that name none. Higher is handed out sooner.",
    )
    sla = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds after which an unfinished item counts as late. Empty: never."
    )
    default_deadline = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds after which an item that names no deadline has missed it."
    )
    lease_seconds = models.PositiveIntegerField(
        default=300,
        validators=[MinValueValidator(SHORTEST_LEASE), MaxValueValidator(LONGEST_LEASE)],
        help_text="How long an item that was handed out outside a job is held without being renewed.",
    )
    most_crashes = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="An item whose holder vanished so often is parked as failed, with the code poison.",
    )
    retention_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Days for which finished items are kept. Empty: as the installation says."
    )
    encrypted = models.BooleanField(default=False, editable=False, help_text="Payloads are kept encrypted.")
    paused = models.BooleanField(default=False, help_text="Takes items, and hands out none.")
    paused_reason = models.CharField(max_length=300, blank=True)
    schema = InTenant(
        "queues.QueueSchema",
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        help_text="What payloads must look like now.",
    )

    objects = QueueQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("queue"),
            SameTenant("folder", name="queue_folder_same_tenant"),
            SameTenant("schema", name="queue_schema_same_tenant"),
            models.UniqueConstraint("folder", Lower("name"), name="queue_name_free", condition=Q(deleted_at=None)),
            models.CheckConstraint(
                name="queue_window_has_length",
                condition=~Q(unique_references="window") | Q(unique_window__isnull=False, unique_window__gt=0),
            ),
            models.CheckConstraint(name="queue_max_attempts_positive", condition=Q(max_attempts__gte=1)),
        ]
        indexes = [in_bin("queue")]
        permissions = [("pause_queue", "Can pause and resume a queue")]

    def __str__(self) -> str:
        return self.name


class QueueSchema(TenantRow):
    """One version of what payloads must look like, as JSON Schema. Items name the one they were checked by."""

    queue = InTenant(Queue, related_name="schemas")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    made_by = models.CharField(max_length=200, editable=False)

    class Meta:
        constraints = [
            tenant_key("queueschema"),
            SameTenant("queue", name="queueschema_queue_same_tenant"),
            models.UniqueConstraint(fields=["queue", "number"], name="queueschema_number_once"),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of {self.queue}"
