"""Machines and robots, as callers send and see them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api.identifiers import IdField
from apps.core.api.rows import ChangeSerializer, RowField, RowRef
from apps.core.api.serializers import InputSerializer, MomentField, NameField, OutputSerializer
from apps.robots import rules
from apps.robots.models import EnrolmentKey, EnrolmentKeyStatus, Machine
from apps.robots.rules import MOST_SLOTS
from apps.robots.services import MOST_ROBOTS, RobotChange
from apps.tenancy.models import Folder

MOST_LABELS, MOST_FOLDERS, MOST_NETWORKS = 64, 100, 32


class LabelsField(serializers.ListField):
    """Labels: letters, digits and ``. _ : / = -``."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(child=serializers.CharField(max_length=63), max_length=MOST_LABELS, **kwargs)  # type: ignore[arg-type]


class KeyOut(serializers.Serializer):
    """A machine's enrolment key, as far as it can be shown."""

    shown_as = serializers.CharField(help_text="How the key begins, so that you know it again.")
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class MachineOut(OutputSerializer):
    """A computer on which robots run."""

    info = serializers.DictField(help_text="What its robots told of it.")
    is_bound = serializers.BooleanField(help_text="A host has introduced itself, and no other may use the key.")
    robot_count = serializers.IntegerField()
    key = KeyOut(source="live_key", allow_null=True)

    class Meta:
        model = Machine
        fields = [
            "id", "tenant", "name", "description", "labels", "info", "is_bound", "robot_count", "key", "last_seen_at",
            "created_at",
        ]  # fmt: skip


class NewMachineOut(MachineOut):
    """A new machine. `machine_key` is shown this once and never again."""

    machine_key = serializers.CharField(help_text="The enrolment key: `bvm_…`. Keep it now.")

    class Meta(MachineOut.Meta):
        fields = [*MachineOut.Meta.fields, "machine_key"]


class CreateMachine(InputSerializer):
    name = NameField(max_length=100)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    labels = LabelsField(required=False, help_text="Every robot on it has these labels too.")


class UpdateMachine(ChangeSerializer, CreateMachine):
    pass


class CreateRobot(InputSerializer):
    name = NameField(max_length=100)
    machine = RowField(Machine.objects.alive())
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    slots = serializers.IntegerField(
        min_value=1, max_value=MOST_SLOTS, required=False, help_text="How many jobs it runs at once."
    )
    labels = LabelsField(required=False)
    folders = serializers.ListField(
        child=RowField(Folder.objects.alive()),
        max_length=MOST_FOLDERS,
        required=False,
        help_text="The folders it works for. Empty: the tenant's *Shared* folder.",
    )


class PushedSettings(InputSerializer):
    """What a robot shall do otherwise than its installation says; what is left out goes by that."""

    def get_fields(self) -> dict[str, serializers.Field]:
        return {one.name: _field_of(one) for one in rules.PUSHED_SETTINGS.values()}


def _field_of(one: rules.PushedSetting) -> serializers.Field:
    kind: Any = serializers.IntegerField if one.is_whole else serializers.FloatField
    field: serializers.Field = kind(min_value=one.least, max_value=one.most, required=False, help_text=one.help)
    return field


class UpdateRobot(ChangeSerializer, CreateRobot):
    machine = None  # type: ignore[assignment]
    pushed_settings = PushedSettings(
        required=False,
        help_text="All that it shall do otherwise than its installation says: takes the place of before.",
    )


class RobotChoice(InputSerializer):
    """Which robots; a robot must fit everything that is named. At least one filter is."""

    robots = serializers.ListField(child=IdField(), required=False, max_length=MOST_ROBOTS, help_text="By id.")
    machine = serializers.ListField(
        child=IdField(), required=False, max_length=MOST_ROBOTS, help_text="On one of these."
    )
    folder = serializers.ListField(
        child=IdField(), required=False, max_length=MOST_FOLDERS, help_text="That work for one of these."
    )
    label = LabelsField(  # type: ignore[assignment]
        required=False, help_text="That have all of these, of their own or of their machine."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = {name: value for name, value in attrs.items() if value != []}
        if not named:
            raise serializers.ValidationError("Name at least one filter.", code="no_filter")
        return named


class ChangeRobots(InputSerializer):
    action = serializers.ChoiceField([(one.value, one.value) for one in RobotChange])
    filters = RobotChoice()
    reason = serializers.CharField(
        max_length=300, required=False, allow_blank=True, default="", help_text="For maintenance: why."
    )
    until = MomentField(
        required=False, allow_null=True, default=None, help_text="For maintenance: it ends by itself then."
    )


class ChangedRobots(serializers.Serializer):
    """The robots that are now as it was asked."""

    robots = serializers.ListField(child=serializers.UUIDField())
    not_found = serializers.ListField(
        child=serializers.UUIDField(), help_text="Of the ids named: what is not there, does not fit, or is not yours."
    )


class StartMaintenance(InputSerializer):
    reason = serializers.CharField(max_length=300, help_text="Say why, so that others know.")
    until = MomentField(required=False, allow_null=True, help_text="It ends by itself then. Left out: by hand.")


class EnrolmentKeyOut(OutputSerializer):
    """A key with which many computers enrol."""

    shown_as = serializers.CharField(help_text="How the key begins, so that you know it again.")
    status = serializers.ChoiceField(EnrolmentKeyStatus.choices)
    folders = serializers.SerializerMethodField(
        help_text="The folders that its robots work for, as far as you see them. None: the tenant's *Shared* folder."
    )
    uses_left = serializers.IntegerField(allow_null=True, help_text="New machines it may make still. null: any number.")
    machine_count = serializers.IntegerField(help_text="Machines made by it that are still there.")

    class Meta:
        model = EnrolmentKey
        fields = [
            "id", "tenant", "name", "description", "shown_as", "status", "folders", "labels", "slots", "networks",
            "most_uses", "uses", "uses_left", "machine_count", "expires_at", "revoked_at", "last_used_at", "created_at",
        ]  # fmt: skip

    @extend_schema_field(RowRef(many=True))
    def get_folders(self, key: EnrolmentKey) -> list[dict[str, str]]:
        return [{"id": str(folder.pk), "name": folder.name} for folder in key.seen_folders]  # type: ignore[attr-defined]


class NewEnrolmentKeyOut(EnrolmentKeyOut):
    """A new enrolment key. `enrolment_key` is shown this once and never again."""

    enrolment_key = serializers.CharField(help_text="The key: `bvt_…`. Keep it now.")

    class Meta(EnrolmentKeyOut.Meta):
        fields = [*EnrolmentKeyOut.Meta.fields, "enrolment_key"]


class EnrolmentKeyTextOut(serializers.Serializer):
    """A key's new text, shown this once."""

    enrolment_key = serializers.CharField(help_text="`bvt_…`. The old one makes nothing from now on.")


class CreateEnrolmentKey(InputSerializer):
    name = NameField(max_length=100)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    folders = serializers.ListField(
        child=RowField(Folder.objects.alive()),
        max_length=MOST_FOLDERS,
        required=False,
        help_text="The folders that its robots work for. Empty: the tenant's *Shared* folder.",
    )
    labels = LabelsField(required=False, help_text="Every machine made by it gets these.")
    slots = serializers.IntegerField(
        min_value=1, max_value=MOST_SLOTS, required=False, help_text="How many jobs a robot made by it runs at once."
    )
    networks = serializers.ListField(
        child=serializers.CharField(max_length=50),
        max_length=MOST_NETWORKS,
        required=False,
        help_text="Networks it may be used from, such as 10.1.0.0/16. Empty: from anywhere.",
    )
    most_uses = serializers.IntegerField(
        min_value=1,
        max_value=1_000_000,
        required=False,
        allow_null=True,
        help_text="How many new machines it may make. null: any number.",
    )
    expires_at = MomentField(required=False, allow_null=True, help_text="It makes nothing from then on. null: never.")


class UpdateEnrolmentKey(ChangeSerializer, CreateEnrolmentKey):
    pass
