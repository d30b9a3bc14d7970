"""Who did what to which object, the seals over it, and how much of it there is."""

from apps.audit.models.addresses import KnownAddress
from apps.audit.models.entries import SEARCHED, AuditEntry, AuditEntryQuerySet, Outcome, in_words
from apps.audit.models.seals import AuditSeal

__all__ = ["SEARCHED", "AuditEntry", "AuditEntryQuerySet", "AuditSeal", "KnownAddress", "Outcome", "in_words"]
