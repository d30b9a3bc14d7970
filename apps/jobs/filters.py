"""Narrowing lists of jobs, executions, robots and bulk changes. Big tables are narrowed by indexes only."""

from __future__ import annotations

from uuid import UUID

import django_filters
from django.db.models import QuerySet

from apps.core.api.along import AlongChoices, AlongId, AlongText, MomentRangeFilter
from apps.core.api.filters import ApiFilterSet
from apps.core.api.identifiers import IdFilter
from apps.jobs.models import BulkChange, Execution, ExecutionStatus, Job, JobStatus, LateKind, LateResult, RobotStatus
from apps.packages.models import AutomationKind
from apps.robots.filters import RobotFilters as PlainRobotFilters


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
    trigger = AlongId(field_name="trigger_id")
    firing = IdFilter(field_name="firing_id")
    created = MomentRangeFilter(field_name="created_at")

    class Meta(ApiFilterSet.Meta):
        model = Job
        fields = [
            "tenant", "folder", "process", "package_version", "status", "reason", "kind", "robot", "source",
            "retry_of", "parent", "trigger", "firing", "created",
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
