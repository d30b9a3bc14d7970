"""What belongs to one execution: its credential, the files it left, the spans it traced."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Count, Func, IntegerField, Sum
from django.db.models.functions import Coalesce

from apps.core import ids
from apps.core.actors import Actor
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.core.streams import Period, Stream
from apps.core.tokens import Token
from apps.jobs.models.executions import Execution
from apps.jobs.models.jobs import Job
from apps.jobs.models.logs import CLOCKS_DIFFER
from apps.jobs.rules import traces


class JobToken(Token):
    """A running job's own credential. It is good while its execution is running, and for that job only."""

    KIND = "j"

    execution = InTenant(Execution, related_name="tokens")

    class Meta:
        constraints = [
            SameTenant("execution", name="jobtoken_execution_same_tenant"),
            models.UniqueConstraint(fields=["execution"], name="jobtoken_one_per_execution"),
        ]

    def __str__(self) -> str:
        return f"token of {self.execution}"


class ArtefactQuerySet(models.QuerySet["Artefact"]):
    def visible_to(self, actor: Actor) -> ArtefactQuerySet:
        """Whoever may see a job may see what it left."""
        return self.filter(job__in=Job.objects.visible_to(actor))


class Artefact(TenantRow):
    """A file that a job left behind for people and programs."""

    folder = InTenant("tenancy.Folder", related_name="+")
    job = InTenant(Job, related_name="artefacts")
    execution = InTenant(Execution, related_name="artefacts", db_index=False)
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100, blank=True)
    size_bytes = models.BigIntegerField("size")
    sha256 = models.CharField("SHA-256", max_length=64)
    storage_name = models.CharField(max_length=200, editable=False)

    objects = ArtefactQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("artefact"),
            SameTenant("folder", name="artefact_folder_same_tenant"),
            SameTenant("job", name="artefact_job_same_tenant"),
            SameTenant("execution", name="artefact_execution_same_tenant"),
            models.UniqueConstraint(fields=["execution", "name"], name="artefact_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Span(Stream):
    """A step that a job traced: what went in, what came out, how long it took. Times are as the job told them."""

    PARTITION_BY = Period.DAY

    tenant_id = models.UUIDField()
    execution_id = models.UUIDField()
    span_id = models.CharField(max_length=64)
    parent_span_id = models.CharField(max_length=64, blank=True)
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=8, default="ok")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    duration_ms = models.FloatField(null=True)
    input = models.JSONField(null=True)
    output = models.JSONField(null=True)
    tags = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["execution_id", "id"], name="span_by_execution")]

    @classmethod
    def of(cls, execution_id: UUID) -> models.QuerySet[Span]:
        """Return what one execution traced, without looking into partitions from before it."""
        oldest = ids.first_id_at(ids.made_at(execution_id) - CLOCKS_DIFFER)
        return cls.objects.filter(execution_id=execution_id, id__gte=oldest)

    @classmethod
    def room_of(cls, execution_id: UUID) -> int:
        """Return how many more steps of an execution are kept: none once the values of those that are fill the limit.

        Values count as they are stored, compressed or not. A call that finds room may go beyond it.
        """
        columns = ("input", "output", "tags", "metadata")
        sizes = [
            Coalesce(Func(column, function="pg_column_size", output_field=IntegerField()), 0) for column in columns
        ]
        size = reduce(add, sizes[1:], cast("Any", sizes[0]))
        kept = cls.of(execution_id).aggregate(count=Count("pk"), size=Sum(size, default=0))
        return max(0, traces.MOST_SPANS - kept["count"]) if kept["size"] < settings.SPANS_LIMIT_BYTES else 0

    @classmethod
    def latest_of(cls, execution_id: UUID) -> models.QuerySet[Span]:
        """Return the steps of one execution; of one that was told again, what was told last."""
        steps = cls.of(execution_id)
        return steps.filter(pk__in=steps.order_by("span_id", "-seq").distinct("span_id").values("pk"))

    def __str__(self) -> str:
        return f"{self.name} of {self.execution_id}"


def _stored_size(column: str) -> Coalesce:
    return Coalesce(Func(column, function="pg_column_size", output_field=IntegerField()), 0)
