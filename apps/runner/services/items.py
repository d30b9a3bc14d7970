"""Items of queues that robots and running jobs take."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from apps.core.actors import Actor
from apps.jobs import services as jobs
from apps.jobs.models import Execution
from apps.queues import services as queues
from apps.queues.models import ItemLease, Queue
from apps.rbac import services as rbac


@transaction.atomic
def take_items(queue: Queue, *, actor: Actor, within: Execution | None, count: int = 1) -> list[ItemLease]:
    """Hand items out under leases of the caller's own, or to a running job for as long as its execution lasts.

    The execution is held meanwhile: whoever ends it waits for this and settles what was taken, or was first, and
    nothing is. Raises ``LeaseOver``, ``JobEnding`` for a job that was asked to end, ``QueuePaused``, ``Invalid``.
    """
    rbac.require(actor, "queues.take_queueitem", queue)
    if within is None:
        return queues.take_items(queue, actor=actor, holder=queues.Holder(actor.kind, UUID(actor.id)), count=count)
    jobs.hold_execution(within, actor=actor)
    holder = queues.Holder("execution", within.robot_id, execution_id=within.pk, job_id=within.job_id)
    return queues.take_items(queue, actor=actor, holder=holder, count=count)
