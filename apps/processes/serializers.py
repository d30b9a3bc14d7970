"""Processes, as callers send and see them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.assets.models import Asset
from apps.core.api.rows import ChangeSerializer, RowField, RowRef
from apps.core.api.serializers import InputSerializer, NameField, OutputSerializer
from apps.packages.models import Package, PackageVersion
from apps.packages.serializers import VersionRef
from apps.processes.models import NamedLimit, OnLost, Process, ProcessLimit, VersionPolicy
from apps.robots.models import Machine, Robot
from apps.tenancy.models import Folder

#: What a column of whole seconds or of a count can hold.
LARGEST = 2_147_483_647
MOST_LABELS, MOST_CHILDREN, MOST_ASSETS = 64, 100, 100


class ProcessOut(OutputSerializer):
    """A runnable catalogue entry: what runs, with which defaults, on which robots, how often at once."""

    folder = RowRef()
    package = RowRef(allow_null=True)
    pinned_version = VersionRef(allow_null=True)
    version = VersionRef(source="runs_version", allow_null=True, help_text="What a job made now would run.")
    latest_version = VersionRef(source="latest", allow_null=True, help_text="The highest version that is active.")
    upgrade_available = serializers.BooleanField(help_text="Pinned, and a higher version is active.")
    parameters = serializers.DictField()
    target_machine = RowRef(allow_null=True)
    target_robot = RowRef(allow_null=True)
    may_start = RowRef(
        source="seen_children", many=True, help_text="Processes whose jobs its jobs may start, as far as you see them."
    )

    may_use = RowRef(
        source="seen_assets",
        many=True,
        help_text="Assets with secrets that its jobs are given, as far as you see them.",
    )

    class Meta:
        model = Process
        fields = [
            "id", "tenant", "folder", "name", "description", "kind", "executor", "enabled", "package",
            "entrypoint_name", "version_policy", "pinned_version", "version", "latest_version", "upgrade_available",
            "script_path", "parameters", "priority", "timeout", "start_by", "max_attempts", "backoff_base",
            "backoff_cap", "backoff_jitter", "on_lost", "lease_ttl", "kill_grace", "required_labels",
            "target_machine", "target_robot", "concurrency_limit", "limit_parameter", "limit_per_value",
            "robot_version_floor", "memory_limit", "cpu_limit", "niceness", "retention_days", "may_start", "may_use",
            "revision",
            "created_at",
        ]  # fmt: skip


class CreateProcess(InputSerializer):
    name = NameField(max_length=100)
    folder = RowField(Folder.objects.alive(), required=False, help_text="Where it lives.")
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    package = RowField(Package.objects.alive(), required=False, allow_null=True)
    entrypoint_name = serializers.CharField(
        max_length=100, required=False, allow_blank=True, help_text="Empty: the default one."
    )
    version_policy = serializers.ChoiceField(VersionPolicy.choices, required=False)
    pinned_version = RowField(
        PackageVersion.objects.alive(), required=False, allow_null=True, help_text="Pins the process to this version."
    )
    script_path = serializers.CharField(
        max_length=500,
        required=False,
        allow_blank=True,
        help_text="In place of a package: a script inside a directory that the robot's own configuration allows.",
    )
    parameters = serializers.DictField(
        required=False, help_text="Defaults; a job's own parameters go before them. They must fit the entrypoint."
    )
    priority = serializers.IntegerField(
        min_value=-1000, max_value=1000, required=False, help_text="Higher runs sooner."
    )
    timeout = serializers.IntegerField(
        min_value=1, max_value=LARGEST, required=False, allow_null=True, help_text="Seconds a try may take."
    )
    start_by = serializers.IntegerField(
        min_value=1, max_value=LARGEST, required=False, allow_null=True,
        help_text="Seconds within which a job must start, or it fails as expired.",
    )  # fmt: skip
    max_attempts = serializers.IntegerField(
        min_value=1, max_value=100, required=False, help_text="All tries, the first included."
    )
    backoff_base = serializers.IntegerField(min_value=0, max_value=LARGEST, required=False)
    backoff_cap = serializers.IntegerField(min_value=0, max_value=LARGEST, required=False)
    backoff_jitter = serializers.BooleanField(required=False)
    on_lost = serializers.ChoiceField(OnLost.choices, required=False)
    lease_ttl = serializers.IntegerField(min_value=30, max_value=600, required=False, allow_null=True)
    kill_grace = serializers.IntegerField(min_value=0, max_value=600, required=False, allow_null=True)
    required_labels = serializers.ListField(
        child=serializers.CharField(max_length=63), max_length=MOST_LABELS, required=False
    )
    target_machine = RowField(Machine.objects.alive(), required=False, allow_null=True)
    target_robot = RowField(Robot.objects.alive(), required=False, allow_null=True)
    concurrency_limit = serializers.IntegerField(min_value=1, max_value=LARGEST, required=False, allow_null=True)
    limit_parameter = serializers.CharField(max_length=100, required=False, allow_blank=True)
    limit_per_value = serializers.IntegerField(min_value=1, max_value=LARGEST, required=False, allow_null=True)
    robot_version_floor = serializers.CharField(max_length=20, required=False, allow_blank=True)
    memory_limit = serializers.IntegerField(
        min_value=16, max_value=LARGEST, required=False, allow_null=True,
        help_text="MiB that a job's processes may use together; beyond that it fails. Null: as its robot says.",
    )  # fmt: skip
    cpu_limit = serializers.FloatField(
        min_value=0.05, max_value=1024, required=False, allow_null=True,
        help_text="Processor cores that a job may use, such as 0.5. Null: as its robot says.",
    )  # fmt: skip
    niceness = serializers.IntegerField(
        min_value=0, max_value=19, required=False, allow_null=True,
        help_text="How far a job steps back behind other programs: 0 not at all, 19 as far as it can.",
    )  # fmt: skip
    retention_days = serializers.IntegerField(
        min_value=1, max_value=3650, required=False, allow_null=True,
        help_text="Days for which its jobs are kept after their end. Null: as its tenant or the installation says.",
    )  # fmt: skip
    may_start = serializers.ListField(
        child=RowField(Process.objects.alive()),
        max_length=MOST_CHILDREN,
        required=False,
        help_text="Processes whose jobs its jobs may start themselves. You must be allowed to run them.",
    )
    may_use = serializers.ListField(
        child=RowField(Asset.objects.alive()),
        max_length=MOST_ASSETS,
        required=False,
        help_text="Assets whose secrets its jobs are given. You must be allowed to use them.",
    )
    enabled = serializers.BooleanField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Naming a version pins to it; to name one and ask for the newest is a contradiction."""
        checked: dict[str, Any] = super().validate(attrs)
        if checked.get("pinned_version") is None:
            return checked
        if checked.setdefault("version_policy", VersionPolicy.PINNED) != VersionPolicy.PINNED:
            raise serializers.ValidationError({"pinned_version": "Name a version only to pin the process to it."})
        return checked


class UpdateProcess(ChangeSerializer, CreateProcess):
    folder = None  # type: ignore[assignment]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return CreateProcess.validate(self, super().validate(attrs))


class UpgradeProcess(InputSerializer):
    version = RowField(
        PackageVersion.objects.alive(),
        required=False,
        allow_null=True,
        help_text="Left out: the newest active one. An older one rolls the process back.",
    )


class ProcessSignatureOut(serializers.Serializer):
    """What a job of a process takes now, and what it is given where a job says nothing."""

    version = VersionRef()
    entrypoint = serializers.CharField(source="name")
    parameters = serializers.ListField(source="signature", child=serializers.DictField())
    input_schema = serializers.DictField()
    output_schema = serializers.DictField(allow_null=True)
    defaults = serializers.DictField()


class ProcessUnitsOut(OutputSerializer):
    """A process, and how much each of its running jobs uses of a limit."""

    process = RowRef()

    class Meta:
        model = ProcessLimit
        fields = ["process", "units"]


class LimitOut(OutputSerializer):
    """Something that several processes share and that bears only so much at once, such as a licence."""

    folder = RowRef()
    processes = ProcessUnitsOut(source="seen_processes", many=True, help_text="As far as you see them.")

    class Meta:
        model = NamedLimit
        fields = ["id", "tenant", "folder", "name", "description", "capacity", "processes", "created_at"]


class ProcessUnits(InputSerializer):
    process = RowField(Process.objects.alive())
    units = serializers.IntegerField(min_value=1, max_value=LARGEST, default=1)


class CreateLimit(InputSerializer):
    name = NameField(max_length=100)
    folder = RowField(Folder.objects.alive(), required=False, help_text="Where it lives.")
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    capacity = serializers.IntegerField(min_value=1, max_value=LARGEST, required=False, help_text="Units at once.")
    processes = serializers.ListField(
        child=ProcessUnits(), max_length=1000, required=False, help_text="Who uses how much; replaces what was said."
    )

    def validate_processes(self, value: list[dict[str, Any]]) -> dict[Process, int]:
        """Return units by process; naming one twice is a mistake."""
        units = {one["process"]: one["units"] for one in value}
        if len(units) < len(value):
            raise serializers.ValidationError("A process is named twice.")
        return units

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        checked: dict[str, Any] = super().validate(attrs)
        return {"units" if name == "processes" else name: value for name, value in checked.items()}


class UpdateLimit(ChangeSerializer, CreateLimit):
    folder = None  # type: ignore[assignment]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return CreateLimit.validate(self, super().validate(attrs))
