"""Executions and their logs."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api.rows import RowRef
from apps.core.api.serializers import OutputSerializer
from apps.jobs.models import Execution, LateKind, LateResult, logreading
from apps.jobs.models.logreading import Page
from apps.jobs.rules import loglines


class LogFacts(serializers.Serializer):
    """How much of a log there is, and whether that is all. Sizes are bytes."""

    length = serializers.IntegerField(source="log_length")
    lines = serializers.IntegerField(source="log_lines")
    has_errors = serializers.BooleanField()
    truncated = serializers.BooleanField(source="log_truncated", help_text="The rest was dropped at the limit.")
    complete = serializers.SerializerMethodField(
        help_text="All bytes are here as the robot sent them; null while it has not told their number."
    )
    missing_bytes = serializers.SerializerMethodField()

    def get_complete(self, execution: Execution) -> bool | None:
        return logreading.is_intact(execution)

    def get_missing_bytes(self, execution: Execution) -> int:
        return logreading.missing_bytes(execution)


class ExecutionOut(OutputSerializer):
    """One try at a job on one robot."""

    robot = RowRef()
    process = RowRef()
    error = serializers.JSONField()
    progress = serializers.JSONField()
    usage = serializers.JSONField()
    log = LogFacts(source="*")

    class Meta:
        model = Execution
        fields = [
            "id", "tenant", "folder", "job", "process", "number", "robot", "status", "reason", "granted_at",
            "started_at", "finished_at", "expires_at", "timeout_at", "outcome", "error", "exit_code", "progress",
            "usage", "log",
        ]  # fmt: skip


class LateResultRow(OutputSerializer):
    """A report that a robot delivered and that could not count, in a list."""

    kind = serializers.CharField(help_text=f"Why it could not count: {', '.join(LateKind.values)}.")
    kept_at = serializers.DateTimeField()

    class Meta:
        model = LateResult
        fields = ["id", "tenant_id", "job_id", "execution_id", "robot_id", "kind", "outcome", "kept_at"]


class LateResultOut(LateResultRow):
    """A report that a robot delivered and that could not count: the job had moved on without it."""

    result = serializers.JSONField(source="payload.result", default=None)
    error = serializers.JSONField(source="payload.error", default=None)
    exit_code = serializers.IntegerField(source="payload.exit_code", allow_null=True, default=None)

    class Meta(LateResultRow.Meta):
        fields = [*LateResultRow.Meta.fields, "result", "error", "exit_code"]


class LogLine(serializers.Serializer):
    """One line of a log."""

    time = serializers.CharField(allow_blank=True, help_text="As the robot wrote it; empty where it wrote none.")
    level = serializers.ChoiceField(loglines.LEVELS)
    message = serializers.CharField(allow_blank=True)
    source = serializers.CharField(  # type: ignore[assignment]
        allow_blank=True, help_text="Such as stdout, stderr, log or robot."
    )
    fields = serializers.DictField()  # type: ignore[assignment]


@extend_schema_field(str)
class CursorField(serializers.Field):
    """A place in a log, to be sent back as it is."""

    def to_representation(self, place: logreading.Place) -> str:
        return str(place)


class LogPage(serializers.Serializer):
    """Lines of a log, oldest first, and from where to go on."""

    lines = LogLine(many=True)
    next = CursorField(help_text="Send it as `after` for what follows, also for what is still to be written.")
    previous = CursorField(allow_null=True, help_text="Send it as `before` for what comes before; null at the start.")
    has_next = serializers.BooleanField(help_text="More is there already.")
    is_live = serializers.BooleanField(help_text="The execution has not ended: more may come.")
    log = LogFacts()


def log_page(execution: Execution, page: Page) -> dict[str, Any]:
    """Return a page of a log as callers see it."""
    facts = {
        "lines": page.lines,
        "next": page.next,
        "previous": page.previous if page.has_previous else None,
        "has_next": page.has_next,
        "is_live": execution.finished_at is None,
        "log": execution,
    }
    return dict(LogPage(facts).data)
