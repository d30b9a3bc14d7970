"""Pages of triggers, of what became of their due times, and of calendars."""

from apps.triggers.admin import firings, triggers

__all__ = ["firings", "triggers"]
