"""Everything that can happen to queues and their items."""

from apps.queues.models.items import LONGEST_CODE
from apps.queues.services._checking import Wanted, problems_of
from apps.queues.services._settling import LONGEST_REASON, Answer, Report, Settled
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
from apps.queues.services.owning import (
    ItemsTaken,
    adopt_items,
    free_items,
    lease_reserved,
    reserve_items,
    settle_execution,
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
from apps.queues.services.sweeping import sweep_lease
from apps.queues.services.taking import Holder, QueuePaused, take_items

__all__ = [
    "LONGEST_CODE",
    "LONGEST_REASON",
    "MOST_ADDED",
    "SETTABLE",
    "UNCHANGED",
    "Answer",
    "DuplicateReference",
    "HasSuccessor",
    "Holder",
    "ItemBegun",
    "ItemNotOver",
    "ItemsTaken",
    "LeaseOver",
    "QueueClosed",
    "QueuePaused",
    "Report",
    "Settled",
    "Wanted",
    "add_items",
    "adopt_items",
    "create_queue",
    "delete_item",
    "delete_queue",
    "find_lease",
    "finish_item",
    "free_items",
    "lease_reserved",
    "pause_queue",
    "postpone_item",
    "prioritise_item",
    "problems_of",
    "renew_item",
    "requeue_item",
    "reserve_items",
    "resume_queue",
    "review_item",
    "settle_execution",
    "sweep_lease",
    "take_items",
    "update_queue",
]
