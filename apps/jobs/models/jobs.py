"""Jobs: requests to run a process once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models import F, OuterRef, Q
from django.db.models.functions import Now
from django.utils.functional import cached_property

from apps.core.actors import Actor
from apps.core.bulk import BulkRequest, BulkRequestQuerySet
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.core.states import Stateful, StatefulQuerySet
from apps.packages.models import AutomationKind
from apps.processes.models import Executor, OnLost
from apps.queues.models import owned_by
from apps.rbac import services as rbac


class JobStatus(models.TextChoices):
    PENDING = "pending"  # for a robot to claim it
    WAITING = "waiting"  # a person must decide
    RUNNING = "running"
    CANCELLING = "cancelling"  # its robot has been asked to end it
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: How many generations of jobs may start one another below the first.
MOST_DEPTH = 5
#: What a bulk change may filter by, and the look-up that does it.
_FILTERS = {
    "status": "status__in",
    "reason": "reason__in",
    "process": "process_id__in",
    "folder": "folder_id__in",
    "package_version": "package_version_id__in",
    "created_after": "created_at__gte",
    "created_before": "created_at__lt",
    "jobs": "pk__in",
}


class BulkAction(models.TextChoices):
    CANCEL = "cancel"
    RETRY = "retry"
    PRIORITISE = "prioritise", "change priority"

    @property
    def permission(self) -> str:
        """What it takes to do this to a job."""
        return f"jobs.{self.value}_job"

    @property
    def concerns(self) -> tuple[JobStatus, ...]:
        """The states in which this does something; other jobs that a filter names are left alone and not counted."""
        match self:
            case BulkAction.CANCEL:
                return (JobStatus.PENDING, JobStatus.WAITING, JobStatus.RUNNING)
            case BulkAction.RETRY:
                return (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
            case _:
                return (JobStatus.PENDING, JobStatus.WAITING)


class JobQuerySet(StatefulQuerySet["Job"]):
    def visible_to(self, actor: Actor) -> JobQuerySet:
        return rbac.visible(self, actor, "jobs.view_job")

    def live(self) -> JobQuerySet:
        """Return the jobs that have not ended."""
        return self.exclude(status__in=Job.final_states())

    def going_on_of(self, triggers: Iterable[UUID] | OuterRef) -> JobQuerySet:
        """Return the jobs that triggers made and that have not ended; worded so that an index of those serves it."""
        live = [JobStatus.PENDING, JobStatus.WAITING, JobStatus.RUNNING, JobStatus.CANCELLING]
        by = {"trigger_id": triggers} if isinstance(triggers, OuterRef) else {"trigger_id__in": list(triggers)}
        return self.filter(**by, status__in=live)

    def matching(self, filters: Mapping[str, Any]) -> JobQuerySet:
        """Return the jobs that filters of a bulk change name. Unknown names are the caller's mistake (``KeyError``)."""
        conditions = {_FILTERS[name]: value for name, value in filters.items() if value not in (None, "", [])}
        return self.filter(**conditions)

    def changeable(
        self, tenant_id: UUID, *, actor: Actor, action: BulkAction, filters: Mapping[str, Any]
    ) -> JobQuerySet:
        """Return the jobs of a tenant that a bulk change would concern, as far as the actor may change them."""
        wanted = self.matching(filters).filter(tenant_id=tenant_id, status__in=action.concerns)
        return rbac.visible(wanted, actor, action.permission)

    def past_start_deadline(self) -> JobQuerySet:
        """Return the pending jobs that may not start any more; one that began in time may still be tried again."""
        late = self.filter(status=JobStatus.PENDING, start_deadline__lte=Now())
        return late.exclude(executions__started_at__isnull=False)


class Job(Stateful, TenantRow):
    """One request to run a process once, with what it was asked for and how it ended."""

    TRANSITIONS: ClassVar = {
        JobStatus.PENDING: {
            JobStatus.RUNNING,
            JobStatus.CANCELLED,
            JobStatus.FAILED,  # expired
            JobStatus.COMPLETED,  # a late result adopted before anybody began again
        },
        JobStatus.WAITING: {JobStatus.PENDING, JobStatus.CANCELLED, JobStatus.FAILED, JobStatus.COMPLETED},
        JobStatus.RUNNING: {
            JobStatus.PENDING,
            JobStatus.WAITING,
            JobStatus.CANCELLING,
            JobStatus.CANCELLED,
            JobStatus.COMPLETED,
            JobStatus.FAILED,
        },
        JobStatus.CANCELLING: {JobStatus.CANCELLED, JobStatus.COMPLETED},
        JobStatus.COMPLETED: set(),
        JobStatus.FAILED: set(),
        JobStatus.CANCELLED: set(),
    }

    # Without indexes of their own: each is the first column of one below, or nothing is ever found by it.
    tenant = models.ForeignKey(
        "tenancy.Tenant", on_delete=models.PROTECT, related_name="+", editable=False, db_index=False
    )
    folder = InTenant("tenancy.Folder", related_name="+", db_index=False)
    process = InTenant("processes.Process", related_name="jobs", db_index=False)
    status = models.CharField(max_length=16, choices=JobStatus, default=JobStatus.PENDING)
    reason = models.CharField(max_length=40, blank=True, help_text="Why it ended or waits, as a code.")

    # What it was created for, whatever the process says later.
    package_version = InTenant("packages.PackageVersion", null=True, related_name="+", db_index=False)
    package_name = models.CharField(max_length=100, blank=True)
    package_version_number = models.CharField("package version", max_length=50, blank=True)
    package_sha256 = models.CharField(max_length=64, blank=True)
    entrypoint_name = models.CharField("entrypoint", max_length=100, blank=True)
    command = models.CharField(max_length=300, blank=True)
    script_path = models.CharField(max_length=500, blank=True)
    kind = models.CharField(max_length=8, choices=AutomationKind, default=AutomationKind.RPA)
    executor = models.CharField(max_length=8, choices=Executor, default=Executor.ROBOT)
    parameters = models.JSONField(default=dict)

    priority = models.SmallIntegerField(default=0)
    available_at = models.DateTimeField(db_default=Now())
    start_deadline = models.DateTimeField(null=True)
    target_machine = InTenant("robots.Machine", null=True, related_name="+", db_index=False)
    target_robot = InTenant("robots.Robot", null=True, related_name="+", db_index=False)
    dedupe_key = models.CharField(max_length=200, blank=True)
    limit_value = models.CharField(max_length=200, blank=True)

    max_attempts = models.PositiveSmallIntegerField(default=1)
    attempts_used = models.PositiveSmallIntegerField(default=0)
    last_execution_no = models.PositiveIntegerField(default=0)
    last_robot = InTenant("robots.Robot", null=True, related_name="+", db_index=False)
    timeout = models.PositiveIntegerField(null=True)
    backoff_base = models.PositiveIntegerField(default=10)
    backoff_cap = models.PositiveIntegerField(default=3600)
    backoff_jitter = models.BooleanField(default=True)
    on_lost = models.CharField(max_length=8, choices=OnLost, default=OnLost.RETRY)
    lease_ttl = models.PositiveIntegerField(default=90)
    kill_grace = models.PositiveIntegerField(default=30)

    source = models.CharField(max_length=16, default="manual", help_text="manual, api, trigger, retry, …")
    created_by = models.CharField(max_length=200)
    retry_of = InTenant("self", null=True, related_name="retries", db_index=False)
    trigger_id = models.UUIDField(null=True, help_text="The trigger that made it.")
    firing_id = models.UUIDField(null=True, help_text="The time at which its trigger made it.")
    parent = InTenant("self", null=True, related_name="children", db_index=False)
    depth = models.PositiveSmallIntegerField(default=0, help_text="How many jobs above it started one another.")
    cancel_requested_at = models.DateTimeField(null=True)
    stop_requested_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    result = models.JSONField(null=True)
    error = models.JSONField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("job"),
            SameTenant("folder", name="job_folder_same_tenant"),
            SameTenant("process", name="job_process_same_tenant"),
            SameTenant("package_version", name="job_version_same_tenant"),
            SameTenant("target_machine", name="job_machine_same_tenant"),
            SameTenant("target_robot", name="job_robot_same_tenant"),
            SameTenant("last_robot", name="job_last_robot_same_tenant"),
            SameTenant("retry_of", name="job_retry_of_same_tenant"),
            SameTenant("parent", name="job_parent_same_tenant"),
            models.CheckConstraint(name="job_depth_in_bounds", condition=Q(depth__lte=MOST_DEPTH)),
            models.CheckConstraint(name="job_status_known", condition=Q(status__in=JobStatus.values)),
            models.CheckConstraint(
                name="job_final_has_end",
                condition=Q(status__in=["completed", "failed", "cancelled"], finished_at__isnull=False)
                | (~Q(status__in=["completed", "failed", "cancelled"]) & Q(finished_at=None)),
            ),
            models.CheckConstraint(name="job_failed_has_reason", condition=~Q(status="failed") | ~Q(reason="")),
            models.CheckConstraint(
                name="job_cancelling_was_asked",
                condition=~Q(status="cancelling") | Q(cancel_requested_at__isnull=False),
            ),
            models.CheckConstraint(name="job_attempts_in_bounds", condition=Q(attempts_used__lte=F("max_attempts"))),
            models.CheckConstraint(
                name="job_one_source",
                condition=(Q(package_version__isnull=False) & Q(script_path=""))
                | (Q(package_version=None) & ~Q(script_path="")),
            ),
            models.UniqueConstraint(
                fields=["process", "dedupe_key"],
                name="job_one_live_per_dedupe_key",
                condition=~Q(dedupe_key="") & Q(status__in=["pending", "waiting", "running", "cancelling"]),
            ),
        ]
        indexes = [
            models.Index(
                F("process"),
                F("priority").desc(),
                F("available_at"),
                F("id"),
                name="job_in_line",
                condition=Q(status="pending"),
            ),
            models.Index(
                fields=["tenant", "available_at"], name="job_pending_by_tenant", condition=Q(status="pending")
            ),
            models.Index(
                fields=["status", "start_deadline"],
                name="job_unfinished",
                condition=Q(status__in=["pending", "waiting", "running", "cancelling"]),
            ),
            # The newest rows of a tenant as such are read from its key, backwards.
            models.Index(fields=["folder", "-id"], name="job_newest_of_folder"),
            models.Index(fields=["process", "-id"], name="job_newest_of_process"),
            models.Index(fields=["package_version", "-id"], name="job_newest_of_version"),
            models.Index(fields=["process", "status", "-id"], name="job_of_process_by_status"),
            models.Index(fields=["tenant", "status", "-id"], name="job_newest_by_status"),
            models.Index(fields=["tenant", "kind", "-id"], name="job_newest_by_kind"),
            models.Index(fields=["tenant", "source", "-id"], name="job_newest_by_source"),
            models.Index(fields=["tenant", "reason", "-id"], name="job_newest_by_reason", condition=~Q(reason="")),
            models.Index(fields=["retry_of"], name="job_by_original", condition=Q(retry_of__isnull=False)),
            models.Index(fields=["trigger_id", "-id"], name="job_of_trigger", condition=Q(trigger_id__isnull=False)),
            models.Index(
                fields=["trigger_id"],
                name="job_live_of_trigger",
                condition=Q(trigger_id__isnull=False, status__in=["pending", "waiting", "running", "cancelling"]),
            ),
            models.Index(fields=["firing_id"], name="job_of_firing", condition=Q(firing_id__isnull=False)),
            models.Index(
                fields=["process", "finished_at"], name="job_ended_of_process", condition=Q(finished_at__isnull=False)
            ),
            models.Index(fields=["parent"], name="job_by_parent", condition=Q(parent__isnull=False)),
        ]
        permissions = [
            ("cancel_job", "Can stop, cancel and kill a job"),
            ("retry_job", "Can retry and resume a job"),
            ("prioritise_job", "Can change a job's priority"),
            ("claim_job", "Can claim a job"),
        ]

    @cached_property
    def queue_item_ids(self) -> list[UUID]:
        """The items of queues that it owns."""
        return owned_by(self.pk)

    def __str__(self) -> str:
        return f"job …{str(self.pk)[-8:]}"  # Ids of jobs made together begin alike.


class BulkChangeQuerySet(BulkRequestQuerySet["BulkChange"]):
    def visible_to(self, actor: Actor) -> BulkChangeQuerySet:
        """Return the changes of the tenants the actor sees as a whole, and those it asked for."""
        known = rbac.visible(self.model._base_manager.all(), actor, "jobs.view_job")
        return self.known_or_own(known, actor)  # type: ignore[return-value]


class BulkChange(BulkRequest):
    """One request to change many jobs by filter, worked off in the background in batches."""

    action = models.CharField(max_length=12, choices=BulkAction)
    priority = models.SmallIntegerField(null=True)

    objects = BulkChangeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.expected}"
