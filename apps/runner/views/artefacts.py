"""Taking the files that jobs leave, from the robots that ran them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.api.bodies import check_length, content_length, copy_body
from apps.core.api.identifiers import parse_id
from apps.core.api.plain import api_view
from apps.core.errors import Invalid, Problem
from apps.jobs import services as jobs
from apps.jobs.rules import artefacts
from apps.runner.authentication import caller_of
from apps.runner.views.robots import reply

Read = TypeVar("Read")


@api_view("PUT")
def keep(request: HttpRequest, lease: str) -> HttpResponseBase:
    """Keep a file of a lease that this robot holds or held; the body is the file as it is."""
    caller = caller_of(request)
    execution = jobs.find_lease(parse_id(lease), actor=caller.actor)
    name = _read(artefacts.read_name, request.GET.get("name", ""), "name")
    kind = _read(artefacts.read_content_type, request.headers.get("Content-Type", ""), "Content-Type")
    told = _read(
        artefacts.read_sha256, request.headers.get("X-Content-SHA256", ""), "X-Content-SHA256", code="bad_sha256"
    )
    length = content_length(request.META)
    check_length(length, settings.ARTEFACT_LIMIT_BYTES)
    with jobs.incoming_file(size=length) as file:
        size, found = copy_body(request, file, limit=settings.ARTEFACT_LIMIT_BYTES)
        os.fsync(file.fileno())  # The robot forgets its copy once we have answered.
        upload = jobs.Upload(file=file, name=name, content_type=kind, size_bytes=size, sha256=found, told_sha256=told)
        kept = jobs.keep_artefact(execution, actor=caller.actor, upload=upload)
    body = {"id": kept.artefact.pk, "name": kept.artefact.name, "size": kept.artefact.size_bytes}
    return reply(body, status=201 if kept.is_new else 200)


def _read(read: Callable[[str], Read], text: str, field: str, *, code: str = Invalid.code) -> Read:
    """Return what ``read`` makes of a text. Raises ``Invalid`` that names the field."""
    try:
        return read(text)
    except ValueError as error:
        raise Invalid(f"{field}: {error}", problems=[Problem(field, str(error), code)], code=code) from error
