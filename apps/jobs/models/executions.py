"""Executions: attempts at a job, each under a lease of its own."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import ClassVar, Final

from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import JSONObject, Now
from django.utils import timezone

from apps.core import ids
from apps.core.actors import Actor
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.core.states import Stateful
from apps.core.streams import Stream
from apps.jobs.models.jobs import Job
from apps.rbac import services as rbac

#: For so long after somebody read a live log its robot sends it faster; the next look begins it anew.
WATCHED_FOR: Final = timedelta(seconds=20)
#: A look this soon after another changes nothing.
WATCH_NOTED_EVERY: Final = timedelta(seconds=5)


class ExecutionStatus(models.TextChoices):
    RUNNING = "running"  # its lease is held, whatever the clock says
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RELEASED = "released"  # given back by its robot; uses up no attempt
    REVOKED = "revoked"  # taken away by an operator
    LOST = "lost"  # the lease ran out, or its robot forgot it
    ADOPTED = "adopted"  # was lost; its result came late and counts


class ExecutionQuerySet(models.QuerySet["Execution"]):
    def visible_to(self, actor: Actor) -> ExecutionQuerySet:
        return rbac.visible(self, actor, "jobs.view_job")

    def open(self) -> ExecutionQuerySet:
        return self.filter(status=ExecutionStatus.RUNNING)

    def overdue(self) -> ExecutionQuerySet:
        """Return what the sweep may close: open, and its lease ran out or it never began. By the database's clock."""
        never_begun = Q(started_at=None, start_by__lt=Now())
        return self.open().filter(Q(expires_at__lt=Now()) | never_begun)


class Execution(Stateful, TenantRow):
    """One attempt at a job on one robot. Its random lease id fences every call about it."""

    TRANSITIONS: ClassVar = {
        ExecutionStatus.RUNNING: {
            ExecutionStatus.COMPLETED,
            ExecutionStatus.FAILED,
            ExecutionStatus.CANCELLED,
            ExecutionStatus.RELEASED,
            ExecutionStatus.REVOKED,
            ExecutionStatus.LOST,
        },
        ExecutionStatus.LOST: {ExecutionStatus.ADOPTED},
        ExecutionStatus.COMPLETED: set(),
        ExecutionStatus.FAILED: set(),
        ExecutionStatus.CANCELLED: set(),
        ExecutionStatus.RELEASED: set(),
        ExecutionStatus.REVOKED: set(),
        ExecutionStatus.ADOPTED: set(),
    }

    # Without indexes of their own: each is the first column of a constraint or an index below.
    tenant = models.ForeignKey(
        "tenancy.Tenant", on_delete=models.PROTECT, related_name="+", editable=False, db_index=False
    )
    folder = InTenant("tenancy.Folder", related_name="+", db_index=False)
    job = InTenant(Job, related_name="executions", db_index=False)
    process = InTenant("processes.Process", related_name="+", db_index=False)
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=16, choices=ExecutionStatus, default=ExecutionStatus.RUNNING)
    reason = models.CharField(max_length=40, blank=True)
    lease_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    robot = InTenant("robots.Robot", related_name="executions", db_index=False)
    session = InTenant("robots.RobotSession", related_name="+", db_index=False)
    claim_request_id = models.UUIDField()
    limit_value = models.CharField(max_length=200, blank=True)
    granted_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    start_by = models.DateTimeField(help_text="Closed as lost if the robot has not begun by then.")
    timeout_at = models.DateTimeField(null=True)
    kill_asked_at = models.DateTimeField(null=True)
    receipt_at = models.DateTimeField(null=True, help_text="When an older runner first showed that it knows the lease.")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, blank=True)
    result_digest = models.CharField(max_length=64, blank=True)
    error = models.JSONField(null=True)
    exit_code = models.IntegerField(null=True)
    progress = models.JSONField(null=True)
    usage = models.JSONField(null=True)
    watched_until = models.DateTimeField(null=True, help_text="Somebody reads its log as it comes: until then, faster.")

    # The log as the robot sent it (foundation of its integrity) and as it was announced at the end.
    log_length = models.BigIntegerField(default=0)
    log_crc32 = models.BigIntegerField(default=0)
    log_lines = models.BigIntegerField(default=0)
    log_api_length = models.BigIntegerField(default=0)
    log_first_error = models.BigIntegerField(null=True)
    log_api_first_error = models.BigIntegerField(null=True)
    log_truncated = models.BooleanField(default=False)
    log_final_length = models.BigIntegerField(null=True)
    log_final_crc32 = models.BigIntegerField(null=True)

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("execution"),
            SameTenant("folder", name="execution_folder_same_tenant"),
            SameTenant("job", name="execution_job_same_tenant"),
            SameTenant("process", name="execution_process_same_tenant"),
            SameTenant("robot", name="execution_robot_same_tenant"),
            SameTenant("session", name="execution_session_same_tenant"),
            models.CheckConstraint(name="execution_status_known", condition=Q(status__in=ExecutionStatus.values)),
            models.CheckConstraint(
                name="execution_final_has_end",
                condition=(Q(status="running") & Q(finished_at=None))
                | (~Q(status="running") & Q(finished_at__isnull=False)),
            ),
            models.UniqueConstraint(fields=["job"], name="execution_one_open_per_job", condition=Q(status="running")),
            models.UniqueConstraint(
                fields=["job"], name="execution_one_success_per_job", condition=Q(status__in=["completed", "adopted"])
            ),
            models.UniqueConstraint(fields=["session", "claim_request_id"], name="execution_one_per_wish"),
            models.UniqueConstraint(fields=["job", "number"], name="execution_number_once"),
        ]
        indexes = [
            models.Index(fields=["robot"], name="execution_open_by_robot", condition=Q(status="running")),
            models.Index(
                fields=["process", "limit_value"], name="execution_open_by_process", condition=Q(status="running")
            ),
            models.Index(fields=["robot", "-id"], name="execution_newest_of_robot"),
            models.Index(fields=["robot", "-job"], name="execution_jobs_of_robot"),
            models.Index(fields=["folder", "-id"], name="execution_newest_of_folder"),
            models.Index(fields=["process", "-id"], name="execution_newest_of_process"),
            models.Index(
                fields=["tenant", "status", "-id"],
                name="execution_newest_unusual",
                condition=~Q(status__in=["running", "completed"]),
            ),
        ]
        permissions = [
            ("report_execution", "Can report about an execution"),
            ("sweep_execution", "Can close what time has run out for"),
        ]

    def __str__(self) -> str:
        return f"try {self.number} of job …{str(self.job_id)[-8:]}"

    @property
    def is_watch_due(self) -> bool:
        """Whether somebody who reads its log now has to be noted: it runs, and nobody was a moment ago."""
        if self.status != ExecutionStatus.RUNNING:
            return False
        return self.watched_until is None or self.watched_until < timezone.now() + WATCHED_FOR - WATCH_NOTED_EVERY

    @property
    def has_errors(self) -> bool:
        """Whether a line of its log tells of an error."""
        return self.log_first_error is not None or self.log_api_first_error is not None


def with_latest_execution(jobs: models.QuerySet[Job]) -> models.QuerySet[Job]:
    """Add ``latest_execution``: id, number, status, progress and robot of each job's last try, or ``None``."""
    tries = Execution.objects.filter(job=OuterRef("pk")).order_by("-number")
    robot = JSONObject(id="robot_id", name="robot__name")
    facts = JSONObject(id="id", number="number", status="status", progress="progress", robot=robot)
    return jobs.annotate(latest_execution=Subquery(tries.values(facts=facts)[:1]))


class LateKind(models.TextChoices):
    LATE = "late"
    CONFLICT = "conflict"
    REVOKED = "revoked"
    UNKNOWN_LEASE = "unknown_lease"
    UNKNOWN_JOB = "unknown_job"


class LateResultQuerySet(models.QuerySet["LateResult"]):
    def visible_to(self, actor: Actor) -> LateResultQuerySet:
        """Return those of tenants the actor sees as a whole, and those of jobs it sees."""
        whole = rbac.visible(LateResult.objects.all(), actor, "jobs.view_job")
        jobs = Job.objects.visible_to(actor)
        return self.filter(Q(pk__in=whole.values("pk")) | Q(job_id__in=jobs.values("pk")))


class LateResult(Stream):
    """A result that was delivered but could not count: kept, so that nothing a robot did is thrown away."""

    tenant_id = models.UUIDField()
    lease_id = models.UUIDField()
    job_id = models.UUIDField(null=True)
    execution_id = models.UUIDField(null=True)
    robot_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=16, choices=LateKind)
    outcome = models.CharField(max_length=16)
    digest = models.CharField(max_length=64)
    payload = models.JSONField(default=dict)

    objects = LateResultQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["job_id", "-id"], name="lateresult_by_job")]

    @property
    def kept_at(self) -> datetime:
        """When it was delivered."""
        return ids.made_at(self.pk)

    def __str__(self) -> str:
        return f"{self.kind} result of lease {self.lease_id}"
