"""Events and audit entries, as callers see them."""

from __future__ import annotations

from rest_framework import serializers

from apps.audit.models import AuditEntry
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

    before = serializers.DictField(allow_null=True)
    after = serializers.DictField(allow_null=True)

    class Meta:
        model = AuditEntry
        fields = [
            "id", "ts", "tenant_id", "actor_kind", "actor_id", "actor_name", "on_behalf_of", "action", "target_kind",
            "target_id", "target_name", "before", "after", "reason", "outcome", "permission", "request_id", "address",
            "agent",
        ]  # fmt: skip
