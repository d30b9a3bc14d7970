"""Everything that can happen to queues and their items."""

from apps.queues.models.items import LONGEST_CODE
from apps.queues.services._checking import Wanted, problems_of
from apps.queues.services._keeping import FILES, TooManyFiles, Written
from apps.queues.services._reading import known_columns
from apps.queues.services._settling import LONGEST_REASON, Answer, Report, Reported, Settled
from apps.queues.services.adding import MOST_AT_ONCE as MOST_ADDED
from apps.queues.services.adding import DuplicateReference, QueueClosed, add_items
from apps.queues.services.bulk import advance_item_change, request_item_change
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
from apps.queues.services.forgetting import forget_old_item_changes, forget_old_items
from apps.queues.services.item_files import (
    delete_held_file,
    delete_item_file,
    held_files,
    note_item_download,
    remove_files_of,
    sweep_files,
    write_held_file,
    write_item_file,
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
    restore_queue,
    resume_queue,
    update_queue,
)
from apps.queues.services.settling import LeaseOver, find_lease, find_leases, finish_item, finish_items, renew_item
from apps.queues.services.stores import (
    StoreDeleted,
    create_store,
    delete_store,
    delete_stored_file,
    note_stored_download,
    update_store,
    write_stored_file,
)
from apps.queues.services.sweeping import sweep_lease
from apps.queues.services.taking import MOST_AT_ONCE as MOST_TAKEN
from apps.queues.services.taking import Holder, QueuePaused, take_items
from apps.queues.services.uploading import (
    AddedBefore,
    UploadHasProblems,
    add_upload,
    added_before,
    check_upload,
    discard_upload,
    forget_uploads,
)

__all__ = [
    "FILES",
    "LONGEST_CODE",
    "LONGEST_REASON",
    "MOST_ADDED",
    "MOST_TAKEN",
    "SETTABLE",
    "UNCHANGED",
    "AddedBefore",
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
    "Reported",
    "Settled",
    "StoreDeleted",
    "TooManyFiles",
    "UploadHasProblems",
    "Wanted",
    "Written",
    "add_items",
    "add_upload",
    "added_before",
    "adopt_items",
    "advance_item_change",
    "check_upload",
    "create_queue",
    "create_store",
    "delete_held_file",
    "delete_item",
    "delete_item_file",
    "delete_queue",
    "delete_store",
    "delete_stored_file",
    "discard_upload",
    "find_lease",
    "find_leases",
    "finish_item",
    "finish_items",
    "forget_old_item_changes",
    "forget_old_items",
    "forget_uploads",
    "free_items",
    "held_files",
    "known_columns",
    "lease_reserved",
    "note_item_download",
    "note_stored_download",
    "pause_queue",
    "postpone_item",
    "prioritise_item",
    "problems_of",
    "remove_files_of",
    "renew_item",
    "request_item_change",
    "requeue_item",
    "reserve_items",
    "restore_queue",
    "resume_queue",
    "review_item",
    "settle_execution",
    "sweep_files",
    "sweep_lease",
    "take_items",
    "update_queue",
    "update_store",
    "write_held_file",
    "write_item_file",
    "write_stored_file",
]
