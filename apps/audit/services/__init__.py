"""Writing the trail, sealing it, and proving that it is whole."""

from apps.audit.rules import changed
from apps.audit.services.recording import record, record_each, record_refusal
from apps.audit.services.sealing import Head, drop_entries_before, heads, oldest_unsealed_at, seal_entries
from apps.audit.services.verifying import Flaw, Verdict, verify_seals

__all__ = [
    "Flaw",
    "Head",
    "Verdict",
    "changed",
    "drop_entries_before",
    "heads",
    "oldest_unsealed_at",
    "record",
    "record_each",
    "record_refusal",
    "seal_entries",
    "verify_seals",
]
