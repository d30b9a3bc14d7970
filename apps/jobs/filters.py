"""Narrowing lists of jobs, executions, robots and bulk changes. Big tables are narrowed by indexes only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet

from apps.core import ids
from apps.core.api.filters import ApiFilterSet
from apps.core.api.identifiers import IdFilter
from apps.jobs.models import BulkChange, Execution, ExecutionStatus, Job, JobStatus, RobotStatus
from apps.robots.filters import RobotFilters as PlainRobotFilters

#: Ids carry the clock of the process that made them, which may differ from the database's.
CLOCKS_DIFFER = timedelta(minutes=5)


class MomentRangeFilter(django_filters.IsoDateTimeFromToRangeFilter):  # type: ignore[misc]
    """Rows made between two moments, found by their time-ordered ids."""

    def filter(self, rows: QuerySet[Any], value: slice | None) -> QuerySet[Any]:
        if value is None:
            return rows
        if value.start is not None:
            rows = rows.filter(id__gte=ids.first_id_at(value.start - CLOCKS_DIFFER))
        if value.stop is not None:
            rows = rows.filter(id__lt=ids.first_id_at(value.stop + CLOCKS_DIFFER))
        narrowed: QuerySet[Any] = super().filter(rows, value)
        return narrowed


class JobFilters(ApiFilterSet):
    """Jobs by state, by what they run and where, by who ran them, by when and how they came about."""

    status = django_filters.MultipleChoiceFilter(choices=JobStatus.choices)
    reason = django_filters.CharFilter(max_length=40)
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")
    process = IdFilter(field_name="process_id")
    package_version = IdFilter(field_name="package_version_id")
    robot = IdFilter(method="tried_by", label="Tried on this robot")
    retry_of = IdFilter(field_name="retry_of_id")
    created = MomentRangeFilter(field_name="created_at")

    class Meta(ApiFilterSet.Meta):
        model = Job
        fields = [
            "tenant", "folder", "process", "package_version", "status", "reason", "kind", "robot", "source",
            "retry_of", "dedupe_key", "created",
        ]  # fmt: skip

    def tried_by(self, jobs: QuerySet[Job], name: str, robot: UUID) -> QuerySet[Job]:
        return jobs.filter(pk__in=Execution.objects.filter(robot_id=robot).values("job_id"))


class ExecutionFilters(ApiFilterSet):
    """Executions by state, robot, process or job, and by when they were granted."""

    status = django_filters.MultipleChoiceFilter(choices=ExecutionStatus.choices)
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")
    process = IdFilter(field_name="process_id")
    job = IdFilter(field_name="job_id")
    robot = IdFilter(field_name="robot_id")
    granted = MomentRangeFilter(field_name="granted_at")

    class Meta(ApiFilterSet.Meta):
        model = Execution
        fields = ["tenant", "folder", "process", "job", "robot", "status", "reason", "granted"]


class RobotFilters(PlainRobotFilters):
    """The same, and by the status they show."""

    status = django_filters.MultipleChoiceFilter(choices=RobotStatus.choices)


class BulkChangeFilters(ApiFilterSet):
    """Bulk changes by state and by what they do."""

    tenant = IdFilter(field_name="tenant_id")

    class Meta(ApiFilterSet.Meta):
        model = BulkChange
        fields = ["tenant", "status", "action"]
