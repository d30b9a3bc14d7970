"""The calls of robots and running jobs about items of queues, in our own words. They sign them with their own tokens.

Whose program has an API key may make them as well.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.api.identifiers import parse_id
from apps.core.api.plain import api_view
from apps.core.api.problems import problem
from apps.core.api.serializers import InputSerializer
from apps.core.edge.limits import counted
from apps.queues import services as queues
from apps.queues.models import Queue
from apps.queues.rules.outcomes import Outcome
from apps.queues.serializers.items import (
    AddItems,
    CreatedItems,
    FinishLease,
    FinishLeases,
    LeaseOut,
    RenewLease,
    TakenItems,
    report_of,
    settled_bodies,
    settled_body,
)
from apps.queues.serializers.queues import TakeItems
from apps.requests.views import answer_once
from apps.runner import services
from apps.runner.authentication import Speaker, worker_of
from apps.runner.views.bv.queues import folder_near, queue_by_id, queue_called
from apps.runner.views.robots import read_outcome, reply

#: Bytes: a thousand items with their payloads.
BODY_LIMIT: Final = 8 * 1024 * 1024


@counted("items")
@api_view("POST")
def take(request: HttpRequest, queue: str) -> HttpResponseBase:
    """Hand out up to 100 items of a queue, by its name or id: to a job for as long as its execution lasts."""
    worker = worker_of(request)
    found = _queue(queue, worker, request)
    data = read_outcome(request, limit=BODY_LIMIT)

    def taken() -> HttpResponseBase:
        leases = services.take_items(found, actor=worker.actor, within=worker.own, **_read(TakeItems, data))
        return reply(TakenItems({"items": leases}).data)

    return answer_once(taken, request=request, actor=worker.actor, data=data)


@counted("items")
@api_view("POST")
def add(request: HttpRequest, queue: str) -> HttpResponseBase:
    """Add up to 1,000 items to a queue, by its name or id: all are added, or none."""
    worker = worker_of(request)
    found = _queue(queue, worker, request)
    data = read_outcome(request, limit=BODY_LIMIT)
    return answer_once(partial(_add, worker, found, data), request=request, actor=worker.actor, data=data)


@counted("items")
@api_view("POST")
def renew(request: HttpRequest, lease: str) -> HttpResponseBase:
    """Hold an item for longer, and say how far the work is."""
    worker = worker_of(request)
    held = queues.find_lease(parse_id(lease), actor=worker.actor)
    asked = _read(RenewLease, read_outcome(request, limit=BODY_LIMIT))
    return reply(LeaseOut(queues.renew_item(held, actor=worker.actor, **asked)).data)


@counted("items")
@api_view("POST")
def finish(request: HttpRequest, lease: str) -> HttpResponseBase:
    """Take a holder's word on how its work on an item ended."""
    worker = worker_of(request)
    held = queues.find_lease(parse_id(lease), actor=worker.actor)
    asked = _read(FinishLease, read_outcome(request, limit=BODY_LIMIT))
    return _settled(worker, held, report_of(asked))


@counted("items")
@api_view("POST")
def finish_many(request: HttpRequest) -> HttpResponseBase:
    """Take a holder's word on how its work on up to 100 items ended."""
    worker = worker_of(request)
    asked = _read(FinishLeases, read_outcome(request, limit=BODY_LIMIT))
    told = [(one.pop("lease"), report_of(one)) for one in asked["reports"]]
    leases = queues.find_leases([lease for lease, _ in told], actor=worker.actor)
    reports = list(zip(leases, (report for _, report in told), strict=True))
    return reply(settled_bodies(reports, queues.finish_items(reports, actor=worker.actor)))


@counted("items")
@api_view("POST")
def release(request: HttpRequest, lease: str) -> HttpResponseBase:
    """Take an item back untouched."""
    worker = worker_of(request)
    held = queues.find_lease(parse_id(lease), actor=worker.actor)
    _read(InputSerializer, read_outcome(request, limit=BODY_LIMIT))
    return _settled(worker, held, queues.Report(Outcome.RELEASED))


def _settled(worker: Speaker, held: Any, report: queues.Report) -> HttpResponseBase:
    settled = queues.finish_item(held, actor=worker.actor, report=report)
    if not settled.answer.counts:
        return problem(409, settled.answer.value, settled.answer.in_words)
    return reply(settled_body(settled))


def _add(worker: Speaker, queue: Queue, data: dict[str, Any]) -> HttpResponseBase:
    wanted = [queues.Wanted(**one) for one in _read(AddItems, data)["items"]]
    items = queues.add_items(queue, actor=worker.actor, wanted=wanted)
    return reply(CreatedItems({"count": len(items), "items": [item.pk for item in items]}).data, status=201)


def _queue(told: str, worker: Speaker, request: HttpRequest) -> Queue:
    try:
        return queue_by_id(worker, UUID(told))
    except ValueError:
        return queue_called(told, worker, near=folder_near(request, worker))


def _read(serializer: type[InputSerializer], data: dict[str, Any]) -> dict[str, Any]:
    asked = serializer(data=data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)
