"""Queues, in the calls of existing BV clients."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from apps.core.api.bodies import read_json
from apps.core.api.identifiers import parse_id
from apps.core.api.plain import api_view
from apps.core.errors import Invalid, NotFound
from apps.queues import services as queues
from apps.queues.models import Queue
from apps.queues.models.statistics import statistics_of
from apps.requests.views import answer_once
from apps.runner.authentication import Speaker, worker_of
from apps.runner.serializers import bv_queues
from apps.runner.views.robots import reply
from apps.tenancy.views.places import FOLDER_HEADER, folder_for

MOST_LISTED = 1000
Named = TypeVar("Named", bound=Any)
#: By what their clients name a queue.
_NAMES = ("queue_id", "queue_external_id")


@api_view("GET", "POST")
def collection(request: HttpRequest) -> HttpResponseBase:
    """List the queues that the caller knows, or make one."""
    worker = worker_of(request)
    if request.method == "GET":
        known = Queue.objects.alive().visible_to(worker.actor).order_by("name", "id")
        return reply([bv_queues.queue_body(queue) for queue in known[:MOST_LISTED]])
    data = read_json(request)
    return answer_once(partial(_create, request, worker, data), request=request, actor=worker.actor, data=data)


@api_view("GET", "PUT", "DELETE")
def one(request: HttpRequest, queue: UUID) -> HttpResponseBase:
    """Read a queue, change it, or take it away."""
    worker = worker_of(request)
    found = queue_by_id(worker, queue)
    if request.method == "DELETE":
        queues.delete_queue(found, actor=worker.actor)
        return HttpResponse(status=204)
    if request.method == "PUT":
        fields = bv_queues.read_queue(read_json(request), is_new=False)
        found = queues.update_queue(found, actor=worker.actor, **fields)
    return reply(bv_queues.queue_body(found))


@api_view("GET")
def statistics(request: HttpRequest, queue: UUID) -> HttpResponseBase:
    """Tell how a queue is doing."""
    return reply(bv_queues.statistics_body(statistics_of(queue_by_id(worker_of(request), queue))))


def queue_named(told: Mapping[str, Any], worker: Speaker, request: HttpRequest) -> Queue:
    """Return the queue that is meant, by name or id. Raises ``Invalid``, and ``NotFound`` alike for what is not shown.

    Of several with the same name, that of the folder which the call or the calling job belongs to goes first.
    """
    for field in _NAMES:
        if told.get(field) is not None:
            return queue_by_id(worker, parse_id(told[field], field=field))
    name = told.get("queue_name")
    if not isinstance(name, str) or not name:
        raise Invalid.field("queue_name", "name the queue.")
    return queue_called(name, worker, near=folder_near(request, worker))


def queue_called(name: str, worker: Speaker, *, near: str) -> Queue:
    """Return a queue by name, that of the folder ``near`` first. Raises ``Invalid`` for several, ``NotFound``."""
    found: list[Queue] = list(_known(worker).filter(name__iexact=name)[:MOST_LISTED])
    if not found:
        raise NotFound(f"There is no queue “{name[:100]}” that you may use.", code="unknown_queue")
    return the_one_near(found, near, field="queue_name")


def the_one_near(found: list[Named], near: str, *, field: str) -> Named:
    """Return that of several rows of one name which is in the folder ``near``, or the only one. Raises ``Invalid``."""
    nearer = [row for row in found if near.lower() in (str(row.folder_id), row.folder.name.lower())]
    if len(nearer or found) > 1:
        raise Invalid.field(field, f"several have this name: give the id, or the folder by {FOLDER_HEADER}.")
    return (nearer or found)[0]


def _create(request: HttpRequest, worker: Speaker, data: dict[str, Any]) -> HttpResponseBase:
    fields = bv_queues.read_queue(data, is_new=True)
    folder = folder_for(cast("Request", request), worker.actor, None)
    return reply(bv_queues.queue_body(queues.create_queue(folder, actor=worker.actor, **fields)), status=201)


def queue_by_id(worker: Speaker, queue_id: UUID) -> Queue:
    """Return a queue that the caller may use. Raises ``NotFound``."""
    found: Queue | None = _known(worker).filter(pk=queue_id).first()
    if found is None:
        raise NotFound("There is no such queue.", code="unknown_queue")
    return found


def _known(worker: Speaker) -> Any:
    return Queue.objects.alive().visible_to(worker.actor).select_related("folder", "schema")


def folder_near(request: HttpRequest, worker: Speaker) -> str:
    """Return the folder that a call names, by id or, as older clients do, by name; else that of the calling job."""
    named = request.headers.get(FOLDER_HEADER, "")
    return named or str(worker.own.folder_id if worker.own is not None else "")
