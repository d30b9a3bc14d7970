"""Writing refusals down. A layer of its own, because a refusal undoes the transaction it happens in."""

from __future__ import annotations

from collections.abc import Callable

from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.audit import services as audit
from apps.core.api import problems
from apps.core.edge import trace


class RecordRefusals:
    """Adds each ``NotAllowed`` that a view was refused with to the audit trail, once the view is done."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        notes = trace.current()
        refusal = notes.refusal
        if refusal is None or (actor := refusal.actor or notes.actor) is None:
            return response
        try:
            audit.record_refusal(refusal, actor=actor)
        except DatabaseError as error:
            return problems.problem_response(error, request)
        return response
