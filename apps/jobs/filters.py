"""Narrowing lists of jobs, executions, robots and bulk changes. Big tables are narrowed by indexes only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import django_filters
from django.db.models import Q, QuerySet

from apps.core import ids
from apps.core.api.filters import ApiFilterSet
from apps.core.api.identifiers import IdFilter
from apps.core.api.ranges import within
from apps.jobs.models import BulkChange, Execution, ExecutionStatus, Job, JobStatus, LateKind, LateResult, RobotStatus
from apps.packages.models import AutomationKind
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


class AlongId(IdFilter):
    """An id that an index of a big table begins with."""

    def filter(self, rows: QuerySet[Any], value: UUID | None) -> QuerySet[Any]:
        return rows if value is None else rows.filter(**within(self.field_name, value))


class AlongText(django_filters.CharFilter):  # type: ignore[misc]
    """A short text that an index of a big table begins with."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 40, **kwargs})

    def filter(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        return rows if not value else rows.filter(**within(self.field_name, value))


class AlongChoices(django_filters.MultipleChoiceFilter):  # type: ignore[misc]
    """Some of a few values that an index of a big table begins with."""

    def filter(self, rows: QuerySet[Any], value: list[str]) -> QuerySet[Any]:
        wanted = Q()
        for one in value:
            wanted |= Q(**within(self.field_name, one))
        return rows.filter(wanted)


class JobFilters(ApiFilterSet):
    """Jobs by state, by what they run and where, by who ran them, by when and how they came about."""

    status = AlongChoices(choices=JobStatus.choices)
    reason = AlongText()
    kind = AlongChoices(choices=AutomationKind.choices)
    source = AlongText()
    tenant = AlongId(field_name="tenant_id")
    folder = AlongId(field_name="folder_id")
    process = AlongId(field_name="process_id")
    package_version = AlongId(field_name="package_version_id")
    robot = IdFilter(method="tried_by", label="Tried on this robot")
    retry_of = IdFilter(field_name="retry_of_id")
    parent = IdFilter(field_name="parent_id")
    created = MomentRangeFilter(field_name="created_at")

    class Meta(ApiFilterSet.Meta):
        model = Job
        fields = [
            "tenant", "folder", "process", "package_version", "status", "reason", "kind", "robot", "source",
            "retry_of", "parent", "created",
        ]  # fmt: skip

    def tried_by(self, jobs: QuerySet[Job], name: str, robot: UUID) -> QuerySet[Job]:
        return jobs.filter(pk__in=Execution.objects.filter(robot_id=robot).values("job_id"))


class ExecutionFilters(ApiFilterSet):
    """Executions by state, robot, process or job, and by when they were granted."""

    status = AlongChoices(choices=ExecutionStatus.choices)
    tenant = AlongId(field_name="tenant_id")
    folder = AlongId(field_name="folder_id")
    process = AlongId(field_name="process_id")
    robot = AlongId(field_name="robot_id")
    job = IdFilter(field_name="job_id")
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


class LateResultFilters(ApiFilterSet):
    """Late results of a job, of a try or of a robot, by why they could not count."""

    kind = django_filters.MultipleChoiceFilter(choices=LateKind.choices)
    tenant = IdFilter(field_name="tenant_id")
    job = IdFilter(field_name="job_id")
    execution = IdFilter(field_name="execution_id")
    robot = IdFilter(field_name="robot_id")

    class Meta(ApiFilterSet.Meta):
        model = LateResult
        fields = ["tenant", "job", "execution", "robot", "kind"]
