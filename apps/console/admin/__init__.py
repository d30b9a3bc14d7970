"""Pages of the audit trail and of events; what other apps bring to the admin is taken out of it."""

from apps.console.admin import audit, events, foreign, ticks

__all__ = ["audit", "events", "foreign", "ticks"]
