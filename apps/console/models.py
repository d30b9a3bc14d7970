"""What the console remembers about the system itself."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import F, Max
from django.db.models.functions import Now

from apps.core.models import Row


class RoleHeartbeatQuerySet(models.QuerySet["RoleHeartbeat"]):
    def ages(self) -> dict[str, timedelta]:
        """Return how long ago each role was last seen, whichever instance of it, by the database's clock."""
        seen = self.values("role").annotate(age=Now() - Max(F("at")))
        return {row["role"]: row["age"] for row in seen}


class RoleHeartbeat(Row):
    """The last sign of life of one process of a background role."""

    role = models.CharField(max_length=32, editable=False)
    instance = models.CharField(max_length=255, editable=False)
    at = models.DateTimeField(db_default=Now(), editable=False)

    objects = RoleHeartbeatQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["role", "instance"], name="heartbeat_per_instance")]

    def __str__(self) -> str:
        return f"{self.role} {self.instance}"
