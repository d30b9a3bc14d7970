"""Robots, with what they run."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api.rows import RowRef
from apps.core.api.serializers import OutputSerializer
from apps.jobs.models import Execution, RobotStatus
from apps.jobs.serializers.jobs import Obstacle
from apps.robots.models import Robot
from apps.robots.serializers import PushedSettings


class CurrentJob(serializers.ModelSerializer):
    """A job that a robot runs now."""

    execution = serializers.UUIDField(source="id")
    job = serializers.UUIDField(source="job_id")
    process = RowRef(source="job.process")
    progress = serializers.JSONField()

    class Meta:
        model = Execution
        fields = ["execution", "job", "process", "number", "granted_at", "started_at", "progress"]


class RobotOut(OutputSerializer):
    """A worker identity that pulls jobs."""

    machine = RowRef()
    folders = serializers.SerializerMethodField(help_text="The folders it works for, as far as you see them.")
    status = serializers.ChoiceField(
        RobotStatus.choices, help_text="From its flags, its last contact and what it runs; never stored."
    )
    status_reason = serializers.CharField(allow_blank=True)
    slots_used = serializers.IntegerField()
    current_jobs = CurrentJob(source="open_executions", many=True, help_text="As far as you may see them.")
    pushed_settings = PushedSettings(help_text="What it does otherwise than its installation says.")
    agent = serializers.DictField(source="session.agent", allow_null=True, help_text="What its program said of itself.")
    metrics = serializers.DictField(source="session.metrics", allow_null=True)
    last_seen_at = serializers.DateTimeField(allow_null=True)
    token_expires_at = serializers.DateTimeField(
        allow_null=True,
        help_text="Until when its own token works. One that came from its machine's key works as long as the key.",
    )

    class Meta:
        model = Robot
        fields = [
            "id", "tenant", "name", "description", "machine", "folders", "labels", "status", "status_reason", "slots",
            "slots_used", "current_jobs", "enabled", "draining", "maintenance", "maintenance_reason",
            "maintenance_until", "error", "error_at", "pushed_settings", "agent", "metrics", "last_seen_at",
            "token_expires_at", "created_at",
        ]  # fmt: skip

    @extend_schema_field(RowRef(many=True))
    def get_folders(self, robot: Robot) -> list[dict[str, str]]:
        return [{"id": str(folder.pk), "name": folder.name} for folder in robot.seen_folders]  # type: ignore[attr-defined]


class NewRobotOut(RobotOut):
    """A new robot. `robot_token` is shown this once and never again."""

    robot_token = serializers.CharField(help_text="The robot's own credential: `bvr_…`. Keep it now.")

    class Meta(RobotOut.Meta):
        fields = [*RobotOut.Meta.fields, "robot_token"]


class TokenOut(serializers.Serializer):
    """A new credential, shown this once."""

    robot_token = serializers.CharField(help_text="`bvr_…`. The old ones go on working for ten minutes.")


class JobViewOut(serializers.Serializer):
    """A waiting job, and what keeps the robot from taking it; nothing means that it will."""

    id = serializers.UUIDField()
    process_name = serializers.CharField()
    priority = serializers.IntegerField()
    obstacles = Obstacle(many=True)


class RobotWhyOut(serializers.Serializer):
    """Why a robot is idle."""

    summary = serializers.CharField(help_text="In one sentence.")
    obstacles = Obstacle(many=True, help_text="What is the matter with the robot itself.")
    jobs = JobViewOut(many=True, help_text="The jobs first in line in its folders, as far as you may see them.")
