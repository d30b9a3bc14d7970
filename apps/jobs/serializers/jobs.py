"""Jobs."""

from __future__ import annotations

from typing import Any

from django.db import models
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from apps.core import statements
from apps.core.api.identifiers import IdField
from apps.core.api.rows import RowField, RowRef
from apps.core.api.serializers import InputSerializer, MomentField, OutputSerializer
from apps.jobs.models import ExecutionStatus, Job
from apps.processes.models import Process
from apps.queues.models import MOST_OWNED
from apps.rbac import services as rbac
from apps.robots.models import Machine, Robot

_ROWS = Process.objects.alive().select_related("folder", "package", "pinned_version")
_RUNNABLE = statements.Worded(lambda: _ROWS.filter(pk=statements.Slot("id", models.UUIDField())))
LARGEST_WAIT = 366 * 86_400
MOST_AT_ONCE = 1000
_PRIORITY = {"min_value": -1000, "max_value": 1000, "help_text": "Higher runs sooner."}


class LatestExecution(serializers.Serializer):
    """The last try of a job."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    status = serializers.ChoiceField(ExecutionStatus.choices)
    progress = serializers.JSONField()
    robot = RowRef()


class JobRow(OutputSerializer):
    """A job in a list; what can be long is left to reading the one job."""

    folder = RowRef()
    process = RowRef()
    latest_execution = LatestExecution(allow_null=True)

    class Meta:
        model = Job
        fields = [
            "id", "tenant", "folder", "process", "status", "reason", "kind", "package_name",
            "package_version_number", "entrypoint_name", "priority", "available_at", "start_deadline",
            "attempts_used", "max_attempts", "dedupe_key", "source", "created_by", "retry_of", "parent", "depth",
            "trigger_id", "firing_id",
            "latest_execution",
            "cancel_requested_at", "stop_requested_at", "created_at", "started_at", "finished_at",
        ]  # fmt: skip


class JobOut(JobRow):
    """One request to run a process once, with what it was asked for and how it ended."""

    parameters = serializers.DictField()
    result = serializers.JSONField()
    error = serializers.JSONField()
    target_machine = RowRef(allow_null=True)
    target_robot = RowRef(allow_null=True)
    queue_item_ids = serializers.ListField(
        child=serializers.UUIDField(), help_text="The items of queues that it owns, whatever has become of them."
    )

    class Meta(JobRow.Meta):
        fields = [
            *JobRow.Meta.fields, "parameters", "queue_item_ids", "result", "error", "package_version",
            "package_sha256", "command", "script_path", "executor", "target_machine", "target_robot", "timeout",
            "backoff_base", "backoff_cap", "backoff_jitter", "on_lost", "lease_ttl", "kill_grace",
        ]  # fmt: skip


class ProcessField(RowField):
    """The process a job is asked of. Jobs are made often: it is found by its key alone, and then asked about."""

    def to_internal_value(self, data: Any) -> Any:
        process = _RUNNABLE.first(id=IdField.to_internal_value(self, data))
        if process is None or not rbac.allows(self.context["view"].actor, "processes.view_process", process):
            self.fail("unknown", noun=Process._meta.verbose_name)
        return process


class WantedJob(InputSerializer):
    """What is asked of one job; what is left out is as its process says."""

    parameters = serializers.DictField(required=False, default=dict, help_text="Go before the process's defaults.")
    priority = serializers.IntegerField(required=False, **_PRIORITY)  # type: ignore[arg-type]
    available_at = MomentField(required=False, help_text="Not before this moment. Left out: now.")
    start_by = serializers.IntegerField(
        min_value=1, max_value=LARGEST_WAIT, required=False, help_text="Seconds within which it must start."
    )
    timeout = serializers.IntegerField(
        min_value=1, max_value=LARGEST_WAIT, required=False, help_text="Seconds a try may take."
    )
    max_attempts = serializers.IntegerField(
        min_value=1, max_value=100, required=False, help_text="All tries, the first included."
    )
    dedupe_key = serializers.CharField(
        max_length=200, required=False, help_text="Only one unfinished job of a process has a given key."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Run now",
            value={"process": "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22", "parameters": {"customer": "Jones"}},
            request_only=True,
        ),
        OpenApiExample(
            "Tonight, before everything else, at most three tries",
            value={
                "process": "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22",
                "available_at": "2026-12-01T22:00:00Z",
                "priority": 100,
                "max_attempts": 3,
                "dedupe_key": "close-of-day-2026-12-01",
            },
            request_only=True,
        ),
    ]
)
class CreateJob(WantedJob):
    process = ProcessField(_ROWS)
    queue_item_ids = serializers.ListField(
        child=IdField(),
        source="queue_items",
        required=False,
        max_length=MOST_OWNED,
        help_text="Waiting items that the job shall own: nobody else is given them, they are delivered with it, and "
        "its end settles those that it has not settled itself.",
    )
    target_robot = RowField(Robot.objects.alive(), required=False, allow_null=True)
    target_machine = RowField(Machine.objects.alive(), required=False, allow_null=True)


class CreateJobs(InputSerializer):
    process = ProcessField(_ROWS)
    target_robot = RowField(Robot.objects.alive(), required=False, allow_null=True, help_text="For all of them.")
    target_machine = RowField(Machine.objects.alive(), required=False, allow_null=True, help_text="For all of them.")
    jobs = serializers.ListField(
        child=WantedJob(), min_length=1, max_length=MOST_AT_ONCE, help_text="All are made, or none."
    )


class CreatedJobs(serializers.Serializer):
    """The new jobs, in the order in which they were asked for."""

    count = serializers.IntegerField()
    jobs = serializers.ListField(child=serializers.UUIDField())


class PrioritiseJob(InputSerializer):
    priority = serializers.IntegerField(**_PRIORITY)  # type: ignore[arg-type]


class FailJob(InputSerializer):
    reason = serializers.CharField(max_length=500, help_text="What you found out; it becomes the job's error.")


class Obstacle(serializers.Serializer):
    """A condition that does not hold."""

    name = serializers.CharField(help_text="For programs, such as `robot_online`.")
    says = serializers.CharField(help_text="What is the case.")
    fix = serializers.CharField(help_text="The nearest thing to do about it.")


class RobotViewOut(serializers.Serializer):
    """A robot and what keeps it from taking the job; nothing means that it will."""

    robot = RowRef(source="*")
    obstacles = Obstacle(many=True)


class JobWhyOut(serializers.Serializer):
    """Why a job is not running."""

    summary = serializers.CharField(help_text="In one sentence.")
    fix = serializers.CharField(allow_blank=True, help_text="What is nearest to be done.")
    ahead = serializers.IntegerField(
        allow_null=True, help_text="Jobs of the folder that go first; 1,000 means that many or more."
    )
    robot_count = serializers.IntegerField(help_text="Robots that were looked at.")
    robots = RobotViewOut(many=True, help_text="The nearest to taking it first; at most 50.")
    counts = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many robots each condition keeps away."
    )
