"""Triggers: rules that create jobs."""

from __future__ import annotations

from datetime import datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from apps.core.actors import Actor
from apps.core.bin import Binnable, in_bin
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.rbac import services as rbac
from apps.triggers.models.calendars import Calendar
from apps.triggers.rules import demand, schedules
from apps.triggers.rules.schedules import Schedule


class TriggerKind(models.TextChoices):
    TIME = "time"
    QUEUE = "queue"


class Overlap(models.TextChoices):
    """What a due time does while a job of the trigger still goes on."""

    ALLOW = "allow", "start another beside it"
    SKIP = "skip", "skip this time"
    QUEUE_ONE = "queue_one", "let at most one wait"
    CANCEL_PREVIOUS = "cancel_previous", "cancel it and start anew"


class Misfire(models.TextChoices):
    """What becomes of due times that passed while nothing could fire them."""

    FIRE_ONCE = "fire_once", "fire once for all of them"
    FIRE_ALL = "fire_all", "fire each of them, up to a limit"
    SKIP = "skip", "skip them"


class TriggerQuerySet(models.QuerySet["Trigger"]):
    def alive(self) -> TriggerQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> TriggerQuerySet:
        return rbac.visible(self, actor, "triggers.view_trigger")

    def wanting_attention(self) -> TriggerQuerySet:
        """Return those that work no more until somebody looks: broken, or switched off by their failures."""
        return self.alive().filter(~Q(broken="") | Q(enabled=False, failures__gte=F("most_failures")))

    def due(self, at: datetime | None = None) -> TriggerQuerySet:
        """Return those whose next time has come: at a moment, or by the database's clock."""
        return self.alive().filter(enabled=True, broken="", next_fire_at__lte=at or Now())


class Trigger(Binnable, TenantRow):
    """A rule that creates jobs of a process. ``configuration`` is what its kind needs to know. Times are in seconds."""

    folder = InTenant("tenancy.Folder", related_name="+")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=2000, blank=True)
    kind = models.CharField(max_length=16, choices=TriggerKind)
    configuration = models.JSONField(default=dict)
    time_zone = models.CharField(max_length=64, default="UTC", help_text="An IANA name, such as Europe/Berlin.")
    queue = InTenant("queues.Queue", null=True, blank=True, related_name="+")

    process = InTenant("processes.Process", related_name="triggers")
    parameters = models.JSONField(default=dict, blank=True)
    priority = models.SmallIntegerField(null=True, blank=True, help_text="Empty: as the process says.")
    target_robot = InTenant("robots.Robot", null=True, blank=True, related_name="+")
    target_machine = InTenant("robots.Machine", null=True, blank=True, related_name="+")

    overlap = models.CharField(max_length=16, choices=Overlap, default=Overlap.ALLOW)
    misfire = models.CharField(max_length=12, choices=Misfire, default=Misfire.FIRE_ONCE)
    misfire_limit = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1), MaxValueValidator(1000)], help_text="Of firing each of them."
    )
    misfire_grace = models.PositiveIntegerField(
        default=60, help_text="Seconds after its due time for which a time still counts as punctual."
    )
    jitter = models.PositiveIntegerField(
        default=0, validators=[MaxValueValidator(3600)], help_text="Jobs start up to so many seconds later, at random."
    )
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    calendar = InTenant(Calendar, null=True, blank=True, related_name="triggers")
    most_failures = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1)], help_text="So many failures in a row switch it off."
    )

    enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=300, blank=True, editable=False)
    broken = models.CharField(
        max_length=500, blank=True, editable=False, help_text="Why it cannot work until somebody changes it."
    )
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="In a row.")
    skip_next = models.BooleanField(default=False, editable=False)
    next_fire_at = models.DateTimeField(null=True, editable=False)
    last_fired_at = models.DateTimeField(null=True, editable=False)
    memory = models.JSONField(default=dict, editable=False, help_text="What its kind remembers from time to time.")
    created_by = models.CharField(max_length=200, editable=False)

    objects = TriggerQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("trigger"),
            SameTenant("folder", name="trigger_folder_same_tenant"),
            SameTenant("queue", name="trigger_queue_same_tenant"),
            SameTenant("process", name="trigger_process_same_tenant"),
            SameTenant("target_robot", name="trigger_robot_same_tenant"),
            SameTenant("target_machine", name="trigger_machine_same_tenant"),
            SameTenant("calendar", name="trigger_calendar_same_tenant"),
            models.UniqueConstraint("folder", Lower("name"), name="trigger_name_free", condition=Q(deleted_at=None)),
            models.CheckConstraint(name="trigger_kind_known", condition=Q(kind__in=TriggerKind.values)),
            models.CheckConstraint(name="trigger_queue_named", condition=~Q(kind="queue") | Q(queue__isnull=False)),
        ]
        indexes = [
            in_bin("trigger"),
            models.Index(
                fields=["next_fire_at"], name="trigger_due", condition=Q(enabled=True, broken="", deleted_at=None)
            ),
        ]
        permissions = [("fire_trigger", "Can fire a trigger by hand"), ("enable_trigger", "Can switch it on and off")]

    def __str__(self) -> str:
        return self.name

    @property
    def anchor(self) -> datetime:
        """The moment from which intervals count."""
        return self.starts_at or self.created_at

    @property
    def is_due(self) -> bool:
        """Whether it will be due at all as it is."""
        is_on = self.enabled and not self.broken and self.deleted_at is None
        return is_on and self.next_fire_at is not None

    @property
    def in_words(self) -> str:
        """What its configuration says, for people; empty where that means nothing any more."""
        try:
            if self.kind == TriggerKind.QUEUE:
                return demand.in_words(demand.read(self.configuration))
            return schedules.read(self.configuration, zone=self.time_zone, anchor=self.anchor).in_words
        except (ValueError, TypeError, LookupError):
            return ""

    def schedule(self) -> Schedule:
        """Return the due times of a time trigger between its start and its end. Raises ``BadSchedule``."""
        schedule = schedules.read(self.configuration, zone=self.time_zone, anchor=self.anchor)
        return schedules.Between(schedule, self.starts_at, self.ends_at)
