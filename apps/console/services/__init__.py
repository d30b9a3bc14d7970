"""What the console does itself: its ticks and signs of life, and exports of the audit trail."""

from apps.console.services.exporting import FORMATS, file_facts, lines, note_export
from apps.console.services.exporting import PERMISSION as EXPORT
from apps.console.services.ticks import BadInterval, change_tick, install_ticks, note_role_seen

__all__ = [
    "EXPORT",
    "FORMATS",
    "BadInterval",
    "change_tick",
    "file_facts",
    "install_ticks",
    "lines",
    "note_export",
    "note_role_seen",
]
