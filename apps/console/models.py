"""What the console remembers about the system itself."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import F, Max, Q
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.models import Row
from apps.rbac import services as rbac


class RoleHeartbeatQuerySet(models.QuerySet["RoleHeartbeat"]):
    def ages(self) -> dict[str, timedelta]:
        """Return how long ago each role was last seen, whichever instance of it, by the database's clock."""
        seen = self.values("role").annotate(age=Now() - Max(F("at")))
        return {row["role"]: row["age"] for row in seen}


#: What is to be done less often than once a week is no tick.
MOST_SECONDS = 7 * 86_400


class TickQuerySet(models.QuerySet["Tick"]):
    def visible_to(self, actor: Actor) -> TickQuerySet:
        """Leave those that the actor may see: all, or none."""
        return self if rbac.allows(actor, "console.view_tick", rbac.EVERYWHERE) else self.none()


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


class Tick(Row):
    """How often beat wakes a task, where that is not as the installation has it. Beat's own table follows this one."""

    name = models.CharField(max_length=200, unique=True, editable=False)
    usual_seconds = models.PositiveIntegerField(editable=False)
    seconds = models.PositiveIntegerField(null=True, editable=False)
    enabled = models.BooleanField(default=True, editable=False)

    objects = TickQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="tick_seconds_make_sense",
                condition=Q(seconds=None) | Q(seconds__gte=1, seconds__lte=MOST_SECONDS),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def every(self) -> int:
        """Seconds from one to the next."""
        return self.seconds or self.usual_seconds

    @property
    def expires_after(self) -> int:
        """Seconds after which one that nobody took is not worth taking any more."""
        return max(self.every * 2, 10)
