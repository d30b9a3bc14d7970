"""The layers around every view: ``RequestEdge`` and ``ProblemsOnly`` outside all others, ``CleanInput`` before CSRF."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeVar

import structlog
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.core import context, ids
from apps.core.api import problems
from apps.core.edge import addresses, cleaning, metrics
from apps.core.edge.paths import is_api_path
from apps.core.edge.trace import Trace, tracing

log = structlog.get_logger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]
View = TypeVar("View", bound=Callable[..., HttpResponseBase])

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_AGENT_LENGTH: Final = 256
_PATH_LENGTH: Final = 200
_FORWARDED_PROTO: Final = "HTTP_X_FORWARDED_PROTO"


class RequestEdge:
    """Gives each request its id and its facts, and each answer its headers, its log line and its place in the metrics.

    The log line holds the route's template, never query strings, bodies or credentials.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        facts = facts_of(request)
        believe_proxies_alone(request)
        with (
            context.handling(facts),
            structlog.contextvars.bound_contextvars(request_id=facts.request_id),
            tracing() as trace,
        ):
            with connection.execute_wrapper(trace.note_statement):
                response = self.get_response(request)
            _sign(response, facts, trace)
            _write_down(request, response, trace)
        return response


class ProblemsOnly:
    """Sees to it that programs never meet a page: what Django itself refuses becomes problem JSON on API paths."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        if response.status_code >= 400 and is_page and is_api_path(request.path_info):
            return _as_problem(response)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer for plain Django views of the API; pages are left to Django."""
        return problems.problem_response(error, request) if is_api_path(request.path_info) else None


class CleanInput:
    """Refuses addresses that no database can keep and bodies of unknown length, once for every view."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        refusal = cleaning.refusal_of(request.META, request.path_info)
        if refusal is None:
            return self.get_response(request)
        if is_api_path(request.path_info):
            return refusal.response()
        return HttpResponse(refusal.detail, status=refusal.status, content_type="text/plain; charset=utf-8")


def quiet(view: View) -> View:
    """Keep a view that is called all the time out of the log, except where it fails."""
    view.is_quiet = True  # type: ignore[attr-defined]
    return view


def facts_of(request: HttpRequest) -> context.RequestFacts:
    """Return what is known of a request before anything is done about it."""
    told = request.headers.get("X-Request-ID", "")
    address = addresses.client_address(
        request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", ""), settings.TRUSTED_PROXIES
    )
    agent = "".join(letter for letter in request.headers.get("User-Agent", "") if letter.isprintable())
    return context.RequestFacts(
        request_id=told if _REQUEST_ID.fullmatch(told) else str(ids.uuid7()),
        address=str(address) if address else None,
        agent=agent[:_AGENT_LENGTH],
    )


def believe_proxies_alone(request: HttpRequest) -> None:
    """Leave in the request only what a proxy of ours says of the connection; Django believes what it finds there."""
    scheme = addresses.forwarded_scheme(
        request.META.get("REMOTE_ADDR", ""), request.META.pop(_FORWARDED_PROTO, ""), settings.TRUSTED_PROXIES
    )
    if scheme:
        request.META[_FORWARDED_PROTO] = scheme


def _sign(response: HttpResponseBase, facts: context.RequestFacts, trace: Trace) -> None:
    database = f'db;dur={trace.database_seconds * 1000:.1f};desc="{trace.statements} statements"'
    response.headers["X-Request-ID"] = facts.request_id
    response.headers["Server-Timing"] = f"total;dur={trace.seconds * 1000:.1f}, {database}"
    # Whatever says nothing else is somebody's own; static files and files that have not changed say so.
    response.headers.setdefault("Cache-Control", "no-store")


def _write_down(request: HttpRequest, response: HttpResponseBase, trace: Trace) -> None:
    route = _route_of(request)
    method, status = request.method or "", response.status_code
    metrics.observe_request(method, route, status, trace.seconds)
    write = log.debug if _is_quiet(request) and status < 400 else log.info
    # Where no route matched, its path is all there is to find the mistake by.
    where = {"route": route} if route else {"route": None, "path": request.path_info[:_PATH_LENGTH]}
    write("request", method=method, **where, status=status, ms=round(trace.seconds * 1000, 1), **_who(request, trace))


def _route_of(request: HttpRequest) -> str:
    if _is_static(request):
        return settings.STATIC_URL
    match = request.resolver_match
    return f"/{match.route}" if match else ""


def _is_quiet(request: HttpRequest) -> bool:
    view = request.resolver_match.func if request.resolver_match else None
    marks = (getattr(place, "is_quiet", False) for place in (view, getattr(view, "cls", None)))
    return _is_static(request) or any(marks)


def _is_static(request: HttpRequest) -> bool:
    return request.path_info.startswith(settings.STATIC_URL)


def _who(request: HttpRequest, trace: Trace) -> dict[str, str]:
    if trace.actor is not None:
        return {"actor_kind": trace.actor.kind, "actor_id": trace.actor.id}
    # Only if some page has asked who it is: looking it up for the log's sake would cost a query.
    user = request.__dict__.get("_cached_user")
    return {"actor_kind": "person", "actor_id": str(user.pk)} if user is not None and user.pk else {}


def _as_problem(response: HttpResponseBase) -> HttpResponse:
    status = response.status_code
    phrase = HTTPStatus(status).phrase
    details = {404: "There is no such address here.", 405: "This address does not take this method."}
    code = {400: "invalid", 403: "not_allowed", 404: "not_found", 500: "internal_error"}.get(status)
    kept = {name: response.headers[name] for name in ("Allow", "Retry-After") if name in response.headers}
    return problems.problem(
        status, code or phrase.lower().replace(" ", "_"), details.get(status, f"{phrase}."), headers=kept
    )
