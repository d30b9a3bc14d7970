"""Pages of queues. Those of items are where jobs are known: who works on an item is mostly one."""

from apps.queues.admin import queues

__all__ = ["queues"]
