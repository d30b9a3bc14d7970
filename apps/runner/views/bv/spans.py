"""Taking the steps that jobs trace, from jobs, robots and people's programs."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.actors import Actor
from apps.core.api.bodies import JSON, read_body
from apps.core.api.identifiers import parse_id
from apps.core.api.plain import api_view
from apps.core.api.strict_json import parse_json_bytes, require_object
from apps.core.errors import NotFound
from apps.jobs import services as jobs
from apps.jobs.models import Execution
from apps.runner.authentication import program_of, speaker_of
from apps.runner.serializers import bv_spans
from apps.runner.views.robots import reply

BODY_LIMIT: Final = 1024 * 1024
#: Values in a body: a thousand steps with what went in and came out.
NODE_LIMIT: Final = 200_000


@api_view("POST")
def record(request: HttpRequest, execution_id: str) -> HttpResponseBase:
    """Store steps of an execution; ``accepted`` is how many, and ``false`` where it has no room for any more."""
    actor, execution = _found(request, execution_id)
    raw = read_body(request, kinds=(JSON,), limit=BODY_LIMIT)
    value = parse_json_bytes(raw, limit=BODY_LIMIT, node_limit=NODE_LIMIT, string_limit=BODY_LIMIT) if raw else {}
    spans = bv_spans.read_spans(require_object(value))
    stored = jobs.record_spans(execution, actor=actor, spans=spans)
    return reply({"accepted": stored if stored or not spans else False}, status=202)


def _found(request: HttpRequest, execution_id: str) -> tuple[Actor, Execution]:
    """Return who calls, and the execution, if it is the caller's or may be seen. Raises ``NotFound`` alike."""
    if "X-Robot-Token" in request.headers:
        speaker = speaker_of(request)
        return speaker.actor, speaker.execution(parse_id(execution_id))
    actor = program_of(request)
    execution = Execution.objects.visible_to(actor).filter(pk=parse_id(execution_id)).first()
    if execution is None:
        raise NotFound("There is no such execution here.", code="unknown")
    return actor, execution
