"""Taking the files that jobs leave, from the robots that ran them."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.api.files import read_field, received
from apps.core.api.identifiers import parse_id
from apps.core.api.plain import api_view
from apps.core.files.facts import read_name
from apps.jobs import services as jobs
from apps.runner.authentication import caller_of
from apps.runner.views.robots import reply


@api_view("PUT")
def keep(request: HttpRequest, lease: str) -> HttpResponseBase:
    """Keep a file of a lease that this robot holds or held; the body is the file as it is."""
    caller = caller_of(request)
    execution = jobs.find_lease(parse_id(lease), actor=caller.actor)
    name = read_field(read_name, request.GET.get("name", ""), "name")
    limit = settings.ARTEFACT_LIMIT_BYTES
    with received(request, jobs.ARTEFACTS, name=name, limit=limit, must_tell_sha256=True) as upload:
        kept = jobs.keep_artefact(execution, actor=caller.actor, upload=upload)
    body = {"id": kept.artefact.pk, "name": kept.artefact.name, "size": kept.artefact.size_bytes}
    return reply(body, status=201 if kept.is_new else 200)
