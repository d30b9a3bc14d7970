"""The facts of the domain, in the order in which they may be read."""

from __future__ import annotations

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now

from apps.core.streams import Stream, StreamQuerySet


class EventQuerySet(StreamQuerySet):
    """Reading events."""

    def about(self, subject: models.Model) -> EventQuerySet:
        """Return what happened to one row, newest first; ``reversed`` gives its history as it happened."""
        return self.filter(subject_id=subject.pk, subject_kind=subject._meta.model_name).order_by("-seq")


class Event(Stream):
    """A fact of the domain, for whoever listens: history of every state, and outbox, in one.

    It names rows by plain ids, so that it outlives them, and is written in the transaction that makes it true.
    Partitioned by month: readers follow a cursor, which looks into each partition, and history is kept for long.
    """

    type = models.CharField(max_length=64)
    ts = models.DateTimeField(db_default=Now())
    tenant_id = models.UUIDField()
    folder_id = models.UUIDField(null=True)
    subject_kind = models.CharField(max_length=32)
    subject_id = models.UUIDField()
    data = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    actor_kind = models.CharField(max_length=8, blank=True, default="")
    actor_id = models.CharField(max_length=64, blank=True, default="")

    objects = EventQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["xid", "seq"], name="event_in_order"),
            models.Index(fields=["subject_id", "-seq"], name="event_by_subject"),
            models.Index(fields=["tenant_id", "-id"], name="event_by_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject_id}"

    def envelope(self) -> dict[str, Any]:
        """Return the event as every reader is given it."""
        return {
            "id": self.id,
            "type": self.type,
            "ts": self.ts,
            "tenant_id": self.tenant_id,
            "folder_id": self.folder_id,
            "subject": {"kind": self.subject_kind, "id": self.subject_id},
            "data": self.data,
        }
