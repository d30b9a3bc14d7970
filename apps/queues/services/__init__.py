"""Everything that can happen to queues and their items."""

from apps.queues.services._checking import Wanted, problems_of
from apps.queues.services._settling import Answer, Report, Settled
from apps.queues.services.adding import MOST_AT_ONCE as MOST_ADDED
from apps.queues.services.adding import DuplicateReference, QueueClosed, add_items
from apps.queues.services.changing import (
    HasSuccessor,
    ItemBegun,
    ItemNotOver,
    delete_item,
    postpone_item,
    prioritise_item,
    requeue_item,
    review_item,
)
from apps.queues.services.queues import (
    SETTABLE,
    UNCHANGED,
    create_queue,
    delete_queue,
    pause_queue,
    resume_queue,
    update_queue,
)
from apps.queues.services.settling import LeaseOver, find_lease, finish_item, renew_item
from apps.queues.services.sweeping import settle_execution, sweep_lease
from apps.queues.services.taking import Holder, QueuePaused, take_items

__all__ = [
    "MOST_ADDED",
    "SETTABLE",
    "UNCHANGED",
    "Answer",
    "DuplicateReference",
    "HasSuccessor",
    "Holder",
    "ItemBegun",
    "ItemNotOver",
    "LeaseOver",
    "QueueClosed",
    "QueuePaused",
    "Report",
    "Settled",
    "Wanted",
    "add_items",
    "create_queue",
    "delete_item",
    "delete_queue",
    "find_lease",
    "finish_item",
    "pause_queue",
    "postpone_item",
    "prioritise_item",
    "problems_of",
    "renew_item",
    "requeue_item",
    "resume_queue",
    "review_item",
    "settle_execution",
    "sweep_lease",
    "take_items",
    "update_queue",
]
