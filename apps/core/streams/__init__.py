"""Streams: tables that only grow at their end — events, audit entries, pieces of logs, late results.

A model extends ``Stream``; its migration creates it by ``apps.core.streams.operations.CreatePartitionedModel``; a
periodic call of ``ensure_partitions`` keeps partitions ready, and ``drop_partitions_before`` is its retention.
"""

from apps.core.streams.cursors import Cursor, CursorAhead, Epoch
from apps.core.streams.models import Stream, StreamQuerySet, edge, read_page, require_transaction
from apps.core.streams.periods import Partition, Period
from apps.core.streams.upkeep import (
    all_streams,
    drop_partitions,
    drop_partitions_before,
    ensure_partitions,
    hold_partitions,
    partitions_of,
)

__all__ = [
    "Cursor",
    "CursorAhead",
    "Epoch",
    "Partition",
    "Period",
    "Stream",
    "StreamQuerySet",
    "all_streams",
    "drop_partitions",
    "drop_partitions_before",
    "edge",
    "ensure_partitions",
    "hold_partitions",
    "partitions_of",
    "read_page",
    "require_transaction",
]
