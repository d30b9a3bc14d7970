"""Triggers, what became of each time they were due, and calendars on which they stay silent."""

from apps.triggers.models.calendars import Calendar, CalendarRule, RuleKind
from apps.triggers.models.firings import QUEUED, Firing, FiringStatus
from apps.triggers.models.triggers import Misfire, Overlap, Trigger, TriggerKind

__all__ = [
    "QUEUED",
    "Calendar",
    "CalendarRule",
    "Firing",
    "FiringStatus",
    "Misfire",
    "Overlap",
    "RuleKind",
    "Trigger",
    "TriggerKind",
]
