"""What making and changing a queue asks for."""

from __future__ import annotations

from typing import Any, ClassVar

from apps.core.admin.forms import OperatorForm, Section
from apps.core.admin.typed_json import JsonText
from apps.queues import services
from apps.queues.models import Queue
from apps.tenancy.admin.places import FolderField

_LABELS = {
    "max_attempts": "Tries at most",
    "backoff_base": "First wait",
    "backoff_cap": "Longest wait",
    "backoff_jitter": "Spread waits at random",
    "most_crashes": "Parked after",
    "unique_references": "A reference",
    "unique_window": "Stays taken for, in seconds",
    "default_priority": "Priority",
    "default_deadline": "Deadline after",
    "sla": "Late after",
    "lease_seconds": "Held for, in seconds",
    "retention_days": "Kept for",
}


class QueueForm(OperatorForm):
    """Everything about a queue."""

    asks_for = (Queue, services.SETTABLE)
    schema = JsonText(
        label="What payloads must look like",
        required=False,
        help_text="A JSON Schema (draft 2020-12). A change makes a new version; items that wait stay as they are. "
        "Empty: anything.",
    )
    sections: ClassVar[tuple[Section, ...]] = (
        Section("Payloads", ["schema"]),
        Section(
            "Tries",
            ["max_attempts", "backoff_base", "backoff_cap", "backoff_jitter", "most_crashes"],
            "What becomes of an item whose work fails, or whose holder vanishes.",
        ),
        Section(
            "References",
            ["unique_references", "unique_window"],
            "Your own names of items. Retries never count against the item they retry.",
        ),
        Section("Place in line", ["default_priority", "default_deadline", "sla"]),
        Section("Keeping", ["lease_seconds", "retention_days"]),
    )

    def offer(self) -> None:
        for name, label in _LABELS.items():
            self.fields[name].label = label


class NewQueueForm(QueueForm):
    """The same with where it lives."""

    folder = FolderField(help_text="It decides who sees the queue, and which robots may take from it.")
    sections = (Section("", ["name", "folder", "description"]), *QueueForm.sections)

    def offer(self) -> None:
        super().offer()
        folder: Any = self.fields["folder"]
        folder.offer(self.actor, "queues.add_queue")
