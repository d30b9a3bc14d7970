"""What robots measured is kept for a few days."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.core import ids, streams
from apps.robots import tasks
from apps.robots.models import RobotSample
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


def sample(age: timedelta) -> RobotSample:
    robot = make.robot()
    made = ids.first_id_at(timezone.now() - age)
    return RobotSample.objects.create(id=made, tenant_id=robot.tenant_id, robot_id=robot.pk, cpu=0.5)


def test_days_are_dropped_once_they_are_old():
    old, recent = sample(timedelta(days=8)), sample(timedelta(days=2))
    streams.ensure_partitions(RobotSample)

    dropped = tasks.drop_old_samples()

    assert dropped >= 1
    assert list(RobotSample.objects.filter(pk__in=[old.pk, recent.pk])) == [recent]
