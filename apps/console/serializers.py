"""Events and audit entries, as callers see them."""

from __future__ import annotations

from rest_framework import serializers

from apps.audit.models import AuditEntry
from apps.audit.rules import ACTION_TYPES, OTHER
from apps.core.api.serializers import OutputSerializer


class Subject(serializers.Serializer):
    """What an event is about."""

    kind = serializers.CharField()
    id = serializers.UUIDField()


class EventOut(serializers.Serializer):
    """A fact of the domain."""

    id = serializers.UUIDField()
    type = serializers.CharField(help_text="Such as `job.completed`.")
    ts = serializers.DateTimeField()
    tenant_id = serializers.UUIDField()
    folder_id = serializers.UUIDField(allow_null=True)
    subject = Subject()
    data = serializers.DictField()  # type: ignore[assignment]


class EventPage(serializers.Serializer):
    """Events in the order in which they may be read, and from where to go on."""

    items = EventOut(many=True)
    cursor = serializers.CharField(help_text="Send it as `after` next time. Its inside means nothing to you.")
    more = serializers.BooleanField(help_text="There may be more already: ask again at once.")


class AuditEntryOut(OutputSerializer):
    """Who did what to which object, from where, and what changed."""

    action_type = serializers.ChoiceField(choices=[*ACTION_TYPES, OTHER])
    before = serializers.DictField(allow_null=True)
    after = serializers.DictField(allow_null=True)

    class Meta:
        model = AuditEntry
        fields = [
            "id", "ts", "tenant_id", "actor_kind", "actor_id", "actor_name", "on_behalf_of", "action", "action_type",
            "target_kind", "target_id", "target_name", "before", "after", "reason", "outcome", "permission",
            "request_id", "address", "agent",
        ]  # fmt: skip


class AuditCount(serializers.Serializer):
    """How many entries have one thing in common."""

    name = serializers.CharField()
    count = serializers.IntegerField()


class AuditDayCount(serializers.Serializer):
    """How many entries there are of a day."""

    day = serializers.DateField()
    count = serializers.IntegerField()


class AuditActorCount(serializers.Serializer):
    """How many entries there are of an actor."""

    actor_kind = serializers.CharField()
    actor_id = serializers.CharField()
    actor_name = serializers.CharField()
    count = serializers.IntegerField()


class AuditStatisticsOut(serializers.Serializer):
    """Entries of a time, counted. Of actions and actors those with the most entries are told."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    total = serializers.IntegerField()
    refused = serializers.IntegerField()
    by_type = AuditCount(many=True)
    by_action = AuditCount(many=True)
    by_actor = AuditActorCount(many=True)
    by_day = AuditDayCount(many=True)


class AuditHead(serializers.Serializer):
    """The statement that a seal was the newest of its chain at a time, signed."""

    tenant_id = serializers.UUIDField(allow_null=True, help_text="Empty: the chain of the installation.")
    number = serializers.IntegerField(help_text="Of the newest seal.")
    hash = serializers.CharField()
    at = serializers.DateTimeField()
    key = serializers.CharField(help_text="Name of the key that signed.")
    signature = serializers.CharField(help_text="Ed25519, in hex, over `bv-audit-head:` and the JSON of the rest.")


class AuditKey(serializers.Serializer):
    """A public key that seals and heads are checked by."""

    name = serializers.CharField()
    public_key = serializers.CharField(help_text="As PEM.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True, help_text="When another took its place.")


class AuditHeadsOut(serializers.Serializer):
    """The signed heads of the audit trail, and the keys to check them by."""

    items = AuditHead(many=True)
    keys = AuditKey(many=True)
