"""Calendars: days and hours on which triggers stay silent."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from apps.core.actors import Actor
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.rbac import services as rbac
from apps.triggers.rules.silences import Days, Period, Silence, Weekly


class CalendarQuerySet(models.QuerySet["Calendar"]):
    def alive(self) -> CalendarQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> CalendarQuerySet:
        return rbac.visible(self, actor, "triggers.view_calendar")


class Calendar(TenantRow):
    """When the triggers that name it do not fire. It has a time zone of its own."""

    folder = InTenant("tenancy.Folder", related_name="+")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=2000, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", help_text="An IANA name, such as Europe/Berlin.")
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = CalendarQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("calendar"),
            SameTenant("folder", name="calendar_folder_same_tenant"),
            models.UniqueConstraint("folder", Lower("name"), name="calendar_name_free", condition=Q(deleted_at=None)),
        ]

    def __str__(self) -> str:
        return self.name


class RuleKind(models.TextChoices):
    WEEKLY = "weekly", "every week"
    DATES = "dates", "whole days"
    PERIOD = "period", "from one moment to another"


class CalendarRule(TenantRow):
    """One stretch of silence, in the calendar's own wall-clock time."""

    calendar = InTenant(Calendar, related_name="rules")
    kind = models.CharField(max_length=8, choices=RuleKind)
    label = models.CharField(max_length=200, blank=True, help_text="What it is, such as Christmas.")
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(), default=list, blank=True, help_text="Every week: 0 is Monday, 6 is Sunday."
    )
    begins = models.TimeField(null=True, blank=True, help_text="Every week: from this time on. Empty: all day.")
    ends = models.TimeField(
        null=True, blank=True, help_text="Every week: up to this time, which may be the next day's."
    )
    first_at = models.DateTimeField(null=True, blank=True, help_text="The first moment of silence, as local time.")
    last_at = models.DateTimeField(null=True, blank=True, help_text="The first moment after it, as local time.")
    every_year = models.BooleanField(default=False, help_text="Whole days: again each year.")
    uid = models.CharField(max_length=300, blank=True, editable=False, help_text="Of the imported event.")

    class Meta:
        constraints = [
            SameTenant("calendar", name="calendarrule_calendar_same_tenant"),
            models.CheckConstraint(
                name="calendarrule_is_whole",
                condition=(Q(kind="weekly") & ~Q(weekdays=[]))
                | (~Q(kind="weekly") & Q(first_at__isnull=False, last_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return self.label or self.get_kind_display()

    @property
    def is_imported(self) -> bool:
        """Whether it was taken over from a file."""
        return bool(self.uid)

    def silence(self) -> Silence:
        """Return what it says, as a rule that can be asked about moments."""
        label = str(self)
        if self.kind == RuleKind.WEEKLY:
            return Weekly(label, frozenset(self.weekdays), self.begins, self.ends)
        if self.first_at is None or self.last_at is None:
            raise ValueError(f"{label} has no beginning or no end.")
        first, last = self.first_at.replace(tzinfo=None), self.last_at.replace(tzinfo=None)
        if self.kind == RuleKind.DATES:
            return Days(label, first.date(), last.date(), self.every_year)
        return Period(label, first, last)
