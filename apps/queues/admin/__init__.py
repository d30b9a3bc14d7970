"""Pages of queues. Those of items are where jobs are known: who works on an item is mostly one."""

from apps.queues.admin import file_stores, files, queues

__all__ = ["file_stores", "files", "queues"]
