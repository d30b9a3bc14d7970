"""The calls of a running job about jobs of its own making. It signs them with its own token."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.api.bodies import read_json
from apps.core.api.identifiers import parse_id
from apps.core.api.plain import api_view
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.requests.views import answer_once
from apps.runner.authentication import RunningJob, job_of
from apps.runner.serializers.children import child_body, read_wanted, started_body
from apps.runner.serializers.robots import Body
from apps.runner.views.robots import reply


@api_view("POST")
def start(request: HttpRequest) -> HttpResponseBase:
    """Start a job of a process that the caller's own process allows; the same Idempotency-Key starts one only."""
    caller = job_of(request)
    data = read_json(request)
    return answer_once(partial(_start, caller, data), request=request, actor=caller.actor, data=data)


@api_view("GET")
def read(request: HttpRequest, child: str) -> HttpResponseBase:
    """Tell how a job is that the caller has started."""
    caller = job_of(request)
    return reply(child_body(jobs.find_child(caller.own, actor=caller.actor, child_id=parse_id(child))))


@api_view("POST")
def cancel(request: HttpRequest, child: str) -> HttpResponseBase:
    """Cancel a job that the caller has started, with all below it; one that has ended stays as it is."""
    caller = job_of(request)
    Body(read_json(request)).done()
    found = jobs.find_child(caller.own, actor=caller.actor, child_id=parse_id(child))
    jobs.cancel_child(caller.own, actor=caller.actor, child=found)
    return reply(child_body(found))


def _start(caller: RunningJob, data: dict[str, Any]) -> HttpResponseBase:
    process, wanted = read_wanted(data)
    child: Job = jobs.start_child(caller.own, actor=caller.actor, process=process, wanted=wanted)
    return reply(started_body(child), status=201)
