"""Triggers, their firings, and what they are going to do."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from apps.core.api.rows import ChangeSerializer, RowField, RowRef
from apps.core.api.serializers import InputSerializer, MomentField, NameField, OutputSerializer
from apps.processes.models import Process
from apps.queues.models import Queue
from apps.robots.models import Machine, Robot
from apps.tenancy.models import Folder
from apps.triggers.models import Calendar, Firing, Misfire, Overlap, Trigger, TriggerKind
from apps.triggers.models.firings import MOST_JOBS_SHOWN
from apps.triggers.models.previews import MOST_TIMES

#: What a column of whole seconds can hold.
LARGEST = 2_147_483_647
_CONFIGURATION = (
    "Of a time trigger `cron` (five or six fields, or an alias such as `@daily`) or `every` (seconds). Of a queue "
    "trigger any of `least`, `most`, `items_per_job`, `start_at`, `finish_within`, `oldest_at_most`, `cool_down`, "
    "`polling_interval`, `jobs_per_hour`; with `mode: hand_out` any of `batch_size`, `most`, `polling_interval`, "
    "`jobs_per_hour`."
)
_EXAMPLE = {
    "name": "Every weekday morning",
    "kind": "time",
    "configuration": {"cron": "0 9 * * mon-fri"},
    "time_zone": "Europe/Berlin",
    "process": "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22",
}


class TriggerOut(OutputSerializer):
    """A rule that creates jobs of one process, and how it is doing."""

    folder = RowRef()
    process = RowRef()
    queue = RowRef(allow_null=True)
    calendar = RowRef(allow_null=True)
    target_robot = RowRef(allow_null=True)
    target_machine = RowRef(allow_null=True)
    configuration = serializers.DictField()
    parameters = serializers.DictField()
    in_words = serializers.CharField(help_text="What the configuration says; empty where it means nothing any more.")

    class Meta:
        model = Trigger
        fields = [
            "id", "tenant", "folder", "name", "description", "kind", "configuration", "in_words", "time_zone", "queue",
            "process", "parameters", "priority", "target_robot", "target_machine", "overlap", "misfire",
            "misfire_limit", "misfire_grace", "jitter", "starts_at", "ends_at", "calendar", "most_failures", "enabled",
            "disabled_reason", "broken", "failures", "skip_next", "next_fire_at", "last_fired_at", "created_by",
            "created_at",
        ]  # fmt: skip


class FiringOut(OutputSerializer):
    """One time at which a trigger was due, or was fired by hand, and what came of it."""

    facts = serializers.DictField(help_text="The numbers it was decided by.")
    jobs = serializers.ListField(
        child=serializers.UUIDField(),
        source="jobs_shown",
        help_text=f"The first {MOST_JOBS_SHOWN} of the jobs it made, as far as they are still kept.",
    )

    class Meta:
        model = Firing
        fields = [
            "id", "trigger", "due_at", "decided_at", "status", "code", "reason", "facts", "jobs_made", "by_hand",
            "jobs",
        ]  # fmt: skip


def _zone(text: str) -> serializers.CharField:
    return serializers.CharField(required=False, max_length=64, help_text=text)


@extend_schema_serializer(examples=[OpenApiExample("Weekday mornings", value=_EXAMPLE, request_only=True)])
class CreateTrigger(InputSerializer):
    name = NameField(max_length=100)
    folder = RowField(Folder.objects.alive(), required=False, help_text="Where it lives.")
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    kind = serializers.ChoiceField(TriggerKind.choices, help_text="It cannot be changed later.")
    configuration = serializers.DictField(required=False, help_text=_CONFIGURATION)
    time_zone = _zone("An IANA name such as Europe/Berlin, by whose clocks it is due. Left out: UTC.")
    queue = RowField(
        Queue.objects.alive().select_related("folder"),
        required=False,
        allow_null=True,
        help_text="Of a queue trigger: whose items it starts jobs for.",
    )
    process = RowField(
        Process.objects.alive().select_related("folder", "package", "pinned_version"),
        help_text="What its jobs run. You must be allowed to run it.",
    )
    parameters = serializers.DictField(
        required=False,
        help_text="Of its jobs. A text that is nothing but `{{ due_at }}`, `{{ trigger }}` or `{{ item_ids }}` "
        "becomes that fact.",
    )
    priority = serializers.IntegerField(
        min_value=-1000, max_value=1000, required=False, allow_null=True, help_text="Null: as the process says."
    )
    target_robot = RowField(Robot.objects.alive(), required=False, allow_null=True)
    target_machine = RowField(Machine.objects.alive(), required=False, allow_null=True)
    overlap = serializers.ChoiceField(
        Overlap.choices, required=False, help_text="What a due time does while a job of the trigger has not ended."
    )
    misfire = serializers.ChoiceField(
        Misfire.choices, required=False, help_text="What becomes of times that passed while nothing could fire them."
    )
    misfire_limit = serializers.IntegerField(
        min_value=1, max_value=1000, required=False, help_text="With `fire_all`: the newest so many."
    )
    misfire_grace = serializers.IntegerField(
        min_value=0, max_value=LARGEST, required=False, help_text="Seconds a time may be late and still be punctual."
    )
    jitter = serializers.IntegerField(
        min_value=0, max_value=3600, required=False, help_text="Jobs start up to so many seconds later, at random."
    )
    starts_at = MomentField(required=False, allow_null=True, help_text="Not due before. Intervals count from it.")
    ends_at = MomentField(required=False, allow_null=True, help_text="Not due after.")
    calendar = RowField(
        Calendar.objects.alive(), required=False, allow_null=True, help_text="When it is silent, it does not fire."
    )
    most_failures = serializers.IntegerField(
        min_value=1, max_value=32_767, required=False, help_text="So many failures in a row switch it off."
    )
    enabled = serializers.BooleanField(required=False)


class UpdateTrigger(ChangeSerializer, CreateTrigger):
    folder = None  # type: ignore[assignment]
    kind = None  # type: ignore[assignment]
    enabled = None  # type: ignore[assignment]


class FireTrigger(InputSerializer):
    parameters = serializers.DictField(
        required=False, help_text="Go before those of the trigger. It takes the right to run its process."
    )


class SkipNext(InputSerializer):
    skip = serializers.BooleanField(required=False, default=True, help_text="False: it fires after all.")


class PreviewTrigger(InputSerializer):
    folder = RowField(Folder.objects.alive(), required=False, help_text="Where it would live.")
    kind = serializers.ChoiceField(TriggerKind.choices, required=False, default=TriggerKind.TIME)
    configuration = serializers.DictField(help_text=_CONFIGURATION)
    time_zone = _zone("By whose clocks it is due. Left out: UTC.")
    viewer_zone = _zone("On whose clocks times are shown as well. Left out: yours.")
    starts_at = MomentField(required=False, allow_null=True)
    ends_at = MomentField(required=False, allow_null=True)
    calendar = RowField(Calendar.objects.alive(), required=False, allow_null=True)
    count = serializers.IntegerField(min_value=1, max_value=MOST_TIMES, required=False, help_text="Of times; 20.")


class LocalMoment(serializers.DateTimeField):
    """A moment as some clock shows it, with how far that is from UTC."""

    def to_representation(self, value: object) -> str:
        return value.isoformat()  # type: ignore[attr-defined, no-any-return]


class PreviewTimeOut(serializers.Serializer):
    """One time at which it will be due."""

    at = serializers.DateTimeField()
    local = LocalMoment(help_text="On the trigger's clock.")
    viewer_local = LocalMoment(help_text="On the viewer's clock.")
    note = serializers.CharField(help_text="What clocks do about then; mostly empty.")
    silent = serializers.CharField(help_text="What its calendar is silent for, so that it does not fire; or empty.")


class PreviewOut(serializers.Serializer):
    """What a trigger is going to do."""

    words = serializers.CharField()
    times = PreviewTimeOut(many=True, help_text="The next ones; none of a queue trigger.")
    warnings = serializers.ListField(child=serializers.CharField(), help_text="What may not be meant.")


class DryStepOut(serializers.Serializer):
    """One moment at which it would have done something."""

    at = serializers.DateTimeField()
    jobs = serializers.IntegerField(help_text="So many would have been made.")
    because = serializers.CharField()
    facts = serializers.DictField(help_text="The numbers it would have been decided by.")


class DryRunOut(serializers.Serializer):
    """What a trigger would have done in the last 24 hours, had it been there as it is now."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    jobs = serializers.IntegerField(help_text="All jobs it would have made.")
    count = serializers.IntegerField(help_text="All moments.")
    steps = DryStepOut(many=True, help_text="The newest first; at most 1,000.")
