"""Pages that libraries bring along, which would write around the services."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule

FOREIGN = (
    Group,
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

for model in FOREIGN:
    if admin.site.is_registered(model):
        admin.site.unregister(model)
