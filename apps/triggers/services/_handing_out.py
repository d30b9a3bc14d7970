"""Which waiting items the jobs of triggers that hand them out are to own. Locks items, and changes nothing."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from apps.core.errors import Invalid
from apps.queues.models import waiting
from apps.queues.models.waiting import Waiting
from apps.queues.services.owning import LARGEST_OWNED
from apps.triggers.models import Trigger
from apps.triggers.services.kinds import KINDS, Decided, Wish

MOST_HANDED_OUT = 5_000
"""So many items of a queue are handed out in one transaction; what is left follows at the next look."""

Batch = Sequence[UUID]


def batches_of(
    triggers: Sequence[Trigger], decisions: Mapping[UUID, Decided | str], *, now: datetime
) -> dict[UUID, list[Batch]]:
    """Return the items of each job that triggers want to hand some to; triggers that hand out nothing are left out.

    Triggers of one queue are given different items. What somebody else is about to take is passed over.
    """
    wanted = [(trigger, wish) for trigger in triggers if (wish := _handing_out(decisions[trigger.pk])) is not None]
    counts: Counter[UUID] = Counter()
    for trigger, wish in wanted:
        counts[_queue_of(trigger)] += wish.jobs * wish.batch_size
    bounded = {queue: min(count, MOST_HANDED_OUT) for queue, count in counts.items()}
    lines = {queue: deque(items) for queue, items in waiting.lock_best(bounded, now=now).items()}
    return {trigger.pk: _split(lines.get(_queue_of(trigger)), wish) for trigger, wish in wanted}


def next_batch(trigger: Trigger, *, now: datetime) -> Batch:
    """Return what a job that is made by hand is to own. Raises ``Invalid`` where the trigger is broken."""
    try:
        most = KINDS[trigger.kind].batch_size(trigger)
    except ValueError as error:
        raise Invalid.field("configuration", f"it means nothing any more: {error}") from error
    queue = trigger.queue
    if not most or queue is None or queue.paused or queue.deleted_at is not None:
        return ()
    line = deque(waiting.lock_best({queue.pk: most}, now=now).get(queue.pk, ()))
    return _batch(line, most) if line else ()


def _queue_of(trigger: Trigger) -> UUID:
    if trigger.queue_id is None:
        raise ValueError(f"{trigger} hands out items of no queue.")
    return trigger.queue_id


def _handing_out(decided: Decided | str) -> Wish | None:
    wishes = decided.wishes if isinstance(decided, Decided) else ()
    return next((wish for wish in wishes if wish.jobs and wish.batch_size), None)


def _split(line: deque[Waiting] | None, wish: Wish) -> list[Batch]:
    """Take batches from the front of a line."""
    batches: list[Batch] = []
    while line and len(batches) < wish.jobs:
        batches.append(_batch(line, wish.batch_size))
    return batches


def _batch(line: deque[Waiting], most: int) -> Batch:
    """Take the items of one job: no more than it may have, nor than its payloads may be together."""
    taken = [line.popleft()]
    size = taken[0].size
    while line and len(taken) < most and size + line[0].size <= LARGEST_OWNED:
        size += line[0].size
        taken.append(line.popleft())
    return [item.id for item in taken]
