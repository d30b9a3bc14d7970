"""Everything that can happen to triggers and calendars."""

from apps.triggers.services.by_hand import TriggersHeld, fire_trigger
from apps.triggers.services.calendars import (
    MOST_RULES,
    Imported,
    add_rule,
    create_calendar,
    delete_calendar,
    import_calendar,
    remove_rules,
    update_calendar,
)
from apps.triggers.services.firing import BATCH, fire_due_triggers, release_waiting_firings
from apps.triggers.services.forgetting import forget_old_firings
from apps.triggers.services.triggers import (
    SETTABLE,
    create_trigger,
    delete_trigger,
    disable_trigger,
    enable_trigger,
    restore_trigger,
    skip_next_time,
    update_trigger,
)
from apps.triggers.services.zone_rules import follow_zone_rules

__all__ = [
    "BATCH",
    "MOST_RULES",
    "SETTABLE",
    "Imported",
    "TriggersHeld",
    "add_rule",
    "create_calendar",
    "create_trigger",
    "delete_calendar",
    "delete_trigger",
    "disable_trigger",
    "enable_trigger",
    "fire_due_triggers",
    "fire_trigger",
    "follow_zone_rules",
    "forget_old_firings",
    "import_calendar",
    "release_waiting_firings",
    "remove_rules",
    "restore_trigger",
    "skip_next_time",
    "update_calendar",
    "update_trigger",
]
