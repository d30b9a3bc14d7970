"""The heartbeat of the control plane itself."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.configuration.models import Setting
from apps.core.models import Row
from apps.core.streams import Epoch

#: How long a result whose job nobody knows may come from the tail that was lost.
EPOCH_IS_NEWS_FOR = timedelta(hours=24)


class Plane(Row):
    """One row that web processes advance, so that an outage of ours is seen and not blamed on robots.

    ``epoch`` rises when the database turns out to have forgotten its last commits; results and cursors carry it.
    """

    singleton = models.BooleanField(default=True, unique=True, editable=False)
    tick = models.BigIntegerField(default=0)
    ticked_at = models.DateTimeField(db_default=Now())
    epoch = models.BigIntegerField(default=1)
    epoch_raised_at = models.DateTimeField(null=True)
    gap_ended_at = models.DateTimeField(null=True, help_text="When the plane came back after the last outage.")
    frozen_until = models.DateTimeField(null=True, help_text="No lease is swept before.")
    frozen_reason = models.CharField(max_length=100, blank=True)
    swept_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(name="plane_singleton", condition=Q(singleton=True))]

    def __str__(self) -> str:
        return f"tick {self.tick} of epoch {self.epoch}"

    @classmethod
    def current_epoch(cls) -> Epoch:
        """Return which life of the database this is, for the cursors of streams."""
        number = cls.objects.values_list("epoch", flat=True).first()
        return Epoch(int(number or 1))

    @classmethod
    def epoch_changed_lately(cls) -> bool:
        """Say whether the database forgot commits within the last 24 hours."""
        return cls.objects.filter(epoch_raised_at__gt=Now() - EPOCH_IS_NEWS_FOR).exists()

    @classmethod
    def is_frozen(cls) -> bool:
        """Say whether leases must not be swept: after an outage of ours, or while the clock is not to be trusted."""
        return cls.objects.filter(
            models.Q(frozen_until__gt=Now())
            | models.Q(gap_ended_at__gt=Now() - timedelta(seconds=Setting.objects.lately("jobs")["lease_seconds"]))
            | models.Q(ticked_at__lt=Now() - timedelta(seconds=settings.OUTAGE_AFTER))
        ).exists()
