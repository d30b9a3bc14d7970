"""The kinds of triggers: one module each, all with the same face. A new kind is a module and a line here."""

from __future__ import annotations

from apps.triggers.services.kinds.interface import Decided, Kind, Wish
from apps.triggers.services.kinds.queue import QueueKind
from apps.triggers.services.kinds.time import TimeKind

KINDS: dict[str, Kind] = {"time": TimeKind(), "queue": QueueKind()}

__all__ = ["KINDS", "Decided", "Kind", "Wish"]
