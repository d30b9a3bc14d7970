"""Writing the trail, sealing it, and proving that it is whole."""

from apps.audit.rules import changed
from apps.audit.services.addresses import MOST_ADDRESSES, forget_addresses, has_met_address, meet_address
from apps.audit.services.bundling import bundle
from apps.audit.services.dropping import NotSealedYet, drop_entries_before
from apps.audit.services.heads import Head, heads, signed_heads
from apps.audit.services.recording import record, record_each, record_refusal
from apps.audit.services.sealing import oldest_unsealed_at, seal_entries
from apps.audit.services.verifying import Flaw, Verdict, verify_seals

__all__ = [
    "MOST_ADDRESSES",
    "Flaw",
    "Head",
    "NotSealedYet",
    "Verdict",
    "bundle",
    "changed",
    "drop_entries_before",
    "forget_addresses",
    "has_met_address",
    "heads",
    "meet_address",
    "oldest_unsealed_at",
    "record",
    "record_each",
    "record_refusal",
    "seal_entries",
    "signed_heads",
    "verify_seals",
]
