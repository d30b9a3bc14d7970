"""How far each kind of rows has gone."""

from __future__ import annotations

from django.db import models

from apps.core.models import Row


class Pruning(Row):
    """What was let go of one kind of rows, and what the last run over it did.

    ``until`` is how far it went: nothing that ended later is gone. ``waiting`` is what is gone and not yet written
    down in the audit trail: a run that is killed leaves it to the next.
    """

    kind = models.CharField(max_length=32, unique=True, editable=False)
    until = models.DateTimeField(null=True, editable=False)
    total = models.BigIntegerField(default=0, editable=False)
    waiting = models.BigIntegerField(default=0, editable=False)
    waiting_partitions = models.JSONField(default=dict, editable=False, help_text="Rows by the names of partitions.")
    last_run_at = models.DateTimeField(null=True, editable=False)
    last_count = models.BigIntegerField(default=0, editable=False)
    last_seconds = models.FloatField(default=0, editable=False)
    is_behind = models.BooleanField(default=False, editable=False, help_text="Its time was over before its work.")
    problem = models.CharField(max_length=500, blank=True, editable=False)

    class Meta:
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return self.kind

    @property
    def is_unreported(self) -> bool:
        """Whether something is gone that the trail does not tell of yet."""
        return bool(self.waiting or self.waiting_partitions)
