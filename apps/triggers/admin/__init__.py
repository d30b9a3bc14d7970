"""Pages of triggers, of what became of their due times, and of calendars."""

from apps.triggers.admin import calendars, firings, triggers

__all__ = ["calendars", "firings", "triggers"]
