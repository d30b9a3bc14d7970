"""Queues, the items that wait in them, the leases under which they are worked on, and files."""

from apps.queues.models.files import FileStore, ItemFile, StoredFile
from apps.queues.models.items import (
    ErrorType,
    HolderKind,
    ItemLease,
    ItemStatus,
    QueueItem,
    ReviewStatus,
)
from apps.queues.models.queues import Queue, QueueSchema, UniqueReferences

__all__ = [
    "ErrorType",
    "FileStore",
    "HolderKind",
    "ItemFile",
    "ItemLease",
    "ItemStatus",
    "Queue",
    "QueueItem",
    "QueueSchema",
    "ReviewStatus",
    "StoredFile",
    "UniqueReferences",
]
