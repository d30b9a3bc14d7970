"""Firings: what became of each time a trigger was due."""

from __future__ import annotations

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import OuterRef, Q
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.jobs.models import Job
from apps.rbac import services as rbac
from apps.triggers.models.triggers import Trigger

#: The code of a time that fires as soon as what goes on of its trigger has ended.
QUEUED = "queued"
MOST_JOBS_SHOWN = 100
"""Of the jobs of one firing."""


class FiringStatus(models.TextChoices):
    FIRED = "fired"
    SKIPPED = "skipped"
    FAILED = "failed"


class FiringQuerySet(models.QuerySet["Firing"]):
    def visible_to(self, actor: Actor) -> FiringQuerySet:
        return rbac.visible(self, actor, "triggers.view_trigger")

    def waiting(self) -> FiringQuerySet:
        """Return those whose job is made once what goes on of their trigger has ended."""
        return self.filter(code=QUEUED)

    def with_jobs(self) -> FiringQuerySet:
        """Return them with the ids of the first jobs of each (``jobs_shown``)."""
        made = Job.objects.filter(firing_id=OuterRef("pk")).order_by("pk").values("pk")[:MOST_JOBS_SHOWN]
        return self.annotate(jobs_shown=ArraySubquery(made))


class Firing(TenantRow):
    """One time at which a trigger was due, or was fired by hand, and what came of it. Its jobs name it."""

    folder = InTenant("tenancy.Folder", related_name="+", db_index=False)
    trigger = InTenant(Trigger, related_name="firings", db_index=False)
    due_at = models.DateTimeField()
    decided_at = models.DateTimeField(db_default=Now())
    status = models.CharField(max_length=8, choices=FiringStatus)
    code = models.CharField(max_length=32, blank=True, help_text="overlap, calendar, paused, limit, misfire, …")
    reason = models.CharField(max_length=1000, blank=True, help_text="Why, in words.")
    facts = models.JSONField(default=dict, help_text="The numbers it was decided by.")
    jobs_made = models.PositiveIntegerField(default=0)
    by_hand = models.CharField(max_length=200, blank=True, help_text="Who fired it.")

    objects = FiringQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("firing"),
            SameTenant("folder", name="firing_folder_same_tenant"),
            SameTenant("trigger", name="firing_trigger_same_tenant"),
            models.UniqueConstraint(fields=["trigger", "due_at"], name="firing_once_per_due_time"),
            models.UniqueConstraint(fields=["trigger"], name="firing_one_waits", condition=Q(code="queued")),
            models.CheckConstraint(name="firing_status_known", condition=Q(status__in=FiringStatus.values)),
            models.CheckConstraint(name="firing_not_fired_has_reason", condition=Q(status="fired") | ~Q(reason="")),
        ]
        indexes = [
            models.Index(fields=["trigger", "-id"], name="firing_newest_of_trigger"),
            models.Index(fields=["tenant", "status", "-id"], name="firing_newest_by_status"),
        ]

    def __str__(self) -> str:
        return f"{self.trigger} at {self.due_at:%Y-%m-%d %H:%M:%S}"
