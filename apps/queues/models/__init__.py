"""Queues, the items that wait in them, the leases under which they are worked on, and files."""

from apps.queues.models.changes import ItemBulkAction, ItemBulkChange, changeable_items
from apps.queues.models.files import FileStore, ItemFile, StoredFile
from apps.queues.models.items import (
    MOST_OWNED,
    ErrorType,
    HolderKind,
    ItemLease,
    ItemStatus,
    QueueItem,
    ReviewStatus,
    holds_items,
    owned_by,
    owned_under,
)
from apps.queues.models.queues import Queue, QueueSchema, UniqueReferences
from apps.queues.models.uploads import ItemUpload

__all__ = [
    "MOST_OWNED",
    "ErrorType",
    "FileStore",
    "HolderKind",
    "ItemBulkAction",
    "ItemBulkChange",
    "ItemFile",
    "ItemLease",
    "ItemStatus",
    "ItemUpload",
    "Queue",
    "QueueItem",
    "QueueSchema",
    "ReviewStatus",
    "StoredFile",
    "UniqueReferences",
    "changeable_items",
    "holds_items",
    "owned_by",
    "owned_under",
]
