"""Items of queues, in the calls of existing BV clients."""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.core.api.bodies import read_json
from apps.core.api.identifiers import parse_id
from apps.core.api.plain import api_view
from apps.core.api.problems import problem
from apps.core.edge.limits import counted
from apps.core.errors import Conflict, Invalid, NotFound
from apps.jobs import services as jobs
from apps.queues import services as queues
from apps.queues.models import ItemLease, QueueItem
from apps.rbac import services as rbac
from apps.requests.views import answer_once
from apps.runner import services
from apps.runner.authentication import Speaker, worker_of
from apps.runner.serializers import bv_queues
from apps.runner.views.bv.queues import queue_named
from apps.runner.views.robots import read_outcome, reply

#: Bytes: a payload or a result as large as may be has room in it.
BODY_LIMIT: Final = 2 * 1024 * 1024
LISTED, MOST_LISTED = 50, 1000


@counted("items")
@api_view("GET")
def take_next(request: HttpRequest) -> HttpResponseBase:
    """Hand out the next item of a queue; ``null`` where none waits, the queue is paused, or the job shall end."""
    worker = worker_of(request)
    queue = queue_named(request.GET, worker, request)
    try:
        leases = services.take_items(queue, actor=worker.actor, within=worker.own)
    except (queues.QueuePaused, jobs.JobEnding):
        return reply(None)
    return reply(bv_queues.taken_body(leases[0]) if leases else None)


@counted("items")
@api_view("POST")
def add(request: HttpRequest) -> HttpResponseBase:
    """Add an item; the answer is its id."""
    return _added(request, lambda item: reply({"id": item.pk}))


@counted("items")
@api_view("GET", "POST")
def collection(request: HttpRequest) -> HttpResponseBase:
    """List the newest items of a queue, or add one; the answer is the item."""
    if request.method == "POST":
        return _added(request, lambda item: reply(bv_queues.item_body(item), status=201))
    worker = worker_of(request)
    queue = queue_named(request.GET, worker, request)
    rbac.require(worker.actor, "queues.view_queueitem", queue)
    items = QueueItem.objects.alive().filter(queue=queue).select_related("queue")
    status = bv_queues.read_status(request.GET.get("status"))
    narrowed = items.filter(status=status) if status else items
    limit = _limit(request.GET.get("limit"))
    return reply([bv_queues.item_body(item) for item in narrowed.order_by("queue_id", "-id")[:limit]])


@counted("items")
@api_view("GET", "PUT", "DELETE")
def one(request: HttpRequest, item: UUID) -> HttpResponseBase:
    """Read an item, by its own id or by the one it was handed out under, say how work on it ended, or take it away."""
    worker = worker_of(request)
    if request.method == "PUT":
        return _put(request, worker, item)
    if request.method == "DELETE":
        queues.delete_item(_seen(worker, item), actor=worker.actor)
        return HttpResponse(status=204)
    lease = ItemLease.objects.filter(lease_id=item).exists()
    found = queues.find_lease(item, actor=worker.actor).item if lease else _seen(worker, item)
    return reply({**bv_queues.item_body(found), "successor": found.successor})


@counted("items")
@api_view("PUT")
def set_status(request: HttpRequest, handle: str) -> HttpResponseBase:
    """Take a holder's word on how its work ended; ``handle`` is the id under which the item was handed out."""
    worker = worker_of(request)
    lease = queues.find_lease(parse_id(handle), actor=worker.actor)
    report = bv_queues.read_report(read_outcome(request, limit=BODY_LIMIT))
    settled = queues.finish_item(lease, actor=worker.actor, report=report)
    if not settled.answer.counts:
        return problem(409, settled.answer.value, settled.answer.in_words)
    return reply(bv_queues.settled_body(lease, settled.item, settled.successor))


@api_view("POST")
def requeue(request: HttpRequest, item: UUID) -> HttpResponseBase:
    """Try a failed item again, as a new one, whose id is the answer's."""
    worker = worker_of(request)
    read_json(request)  # Nothing in it decides anything; it is taken clean or not at all.
    again = queues.requeue_item(_seen(worker, item), actor=worker.actor)
    return reply({"id": again.pk, "status": "NEW", "retries": again.attempt - 1})


def _put(request: HttpRequest, worker: Speaker, handle: UUID) -> HttpResponseBase:
    """Take the word of whoever holds an item; the answer is the item, or the next try at it."""
    report = bv_queues.read_report(read_outcome(request, limit=BODY_LIMIT))
    settled = queues.finish_item(_own_lease(worker, handle), actor=worker.actor, report=report)
    if not settled.answer.counts:
        return problem(409, settled.answer.value, settled.answer.in_words)
    return reply(bv_queues.item_body(settled.successor or settled.item))


def _own_lease(worker: Speaker, handle: UUID) -> ItemLease:
    """Return the lease that a handle names, or the newest on the item that it names. Raises ``Conflict``."""
    named = ItemLease.objects.filter(Q(lease_id=handle) | Q(item_id=handle)).order_by("-pk").first()
    try:
        if named is not None:
            return queues.find_lease(named.lease_id, actor=worker.actor)
    except NotFound:
        pass  # What may be seen is told that somebody else has it.
    _seen(worker, handle)
    raise Conflict("You do not hold this item. Get it from its queue first.", code="not_held")


def _added(request: HttpRequest, answer: Any) -> HttpResponseBase:
    worker = worker_of(request)
    data = read_outcome(request, limit=BODY_LIMIT)

    def made() -> HttpResponseBase:
        queue = queue_named(data, worker, request)
        [item] = queues.add_items(queue, actor=worker.actor, wanted=[bv_queues.read_wanted(data)])
        item.refresh_from_db()
        item.queue = queue
        body: HttpResponseBase = answer(item)
        return body

    return answer_once(partial(made), request=request, actor=worker.actor, data=data)


def _seen(worker: Speaker, item_id: UUID) -> QueueItem:
    found = QueueItem.objects.alive().visible_to(worker.actor).select_related("queue", "folder").filter(pk=item_id)
    item = found.first()
    if item is None:
        raise NotFound("There is no such item.", code="unknown")
    return item


def _limit(told: str | None) -> int:
    if told is None:
        return LISTED
    if not (told.isascii() and told.isdigit() and len(told) < 6 and 1 <= int(told) <= MOST_LISTED):
        raise Invalid.field("limit", f"is a number from 1 to {MOST_LISTED}.")
    return int(told)
