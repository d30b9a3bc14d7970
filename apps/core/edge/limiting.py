"""The layer that counts calls before anything is done about them; ``limits`` has the table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.core import context, tokens
from apps.core.api import problems
from apps.core.edge import limits
from apps.core.edge.paths import is_api_path

_READING: Final = ("GET", "HEAD", "OPTIONS")
_ROBOTS: Final = ("r", "j")
_KIBIBYTE: Final = 1024
#: Probes and scrapers come by themselves, and must get an answer when everything else is busy.
_UNCOUNTED_PATHS: Final = ("/health", "/metrics", "/api/health", "/api/v1/health")


class LimitCalls:
    """Counts each call for its credential, and for its network where it has none, or a wrong one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        limits.prepare()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code != 401 or not limits.is_on() or getattr(request, "is_counted_for_network", False):
            return response
        # A credential that nobody knows: guessing goes on no faster than calling without one.
        refused = limits.hit("stranger", limits.network_of(context.current().address))
        return response if refused is None else _answer(request, refused)

    def process_view(
        self, request: HttpRequest, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Count the call; an answer here keeps the view from being called."""
        if not limits.is_on() or request.path_info.startswith((*_UNCOUNTED_PATHS, settings.STATIC_URL)):
            return None
        mark = _mark_of(view, request.method or "")
        who, letter = _credential(request)
        kind = mark or _kind_of(request, letter, is_known=who is not None)
        if who is None or kind in limits.OF_NETWORKS:
            request.is_counted_for_network = True  # type: ignore[attr-defined]
            kind, who = kind if mark else "stranger", limits.network_of(context.current().address)
        elif letter in _ROBOTS:
            who = f"{who}:{view.__module__}.{view.__name__}"
        refused = limits.hit(kind, who, amount=_amount(request, kind))
        return None if refused is None else _answer(request, refused)


def _mark_of(view: Any, method: str) -> str | None:
    """Return as what a view, or what answers the method in it, wants to be counted."""
    place = getattr(view, "cls", None)
    if place is None:
        return getattr(view, "rate_kind", None)
    actions = getattr(view, "actions", None) or {}
    handler = getattr(place, actions.get(method.lower(), method.lower()), None)
    return getattr(handler, "rate_kind", None) or getattr(place, "rate_kind", None)


def _kind_of(request: HttpRequest, letter: str, *, is_known: bool) -> str:
    if not is_known:
        return "stranger"
    if letter in _ROBOTS:
        return "work"
    return "read" if request.method in _READING else "write"


def _credential(request: HttpRequest) -> tuple[str | None, str]:
    """Return what tells the caller from others without asking the database, and the letter of its kind of token.

    A text with a right checksum need not be a token that anybody was given: what is not is answered with a 401, and
    that is counted for the network.
    """
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    texts = (
        request.headers.get("X-Robot-Token"),
        bearer.strip() if scheme.lower() == "bearer" else None,
        request.headers.get("X-Api-Key"),
    )
    presented = next((text for text in texts if text), None)
    if presented is not None:
        token = tokens.parse(presented)
        return (f"{token.kind}:{token.public}", token.kind) if token is not None else (None, "")
    if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
        return f"person:{request.user.pk}", ""
    return None, ""


def _amount(request: HttpRequest, kind: str) -> int:
    if kind != "log":
        return 1
    length = request.META.get("CONTENT_LENGTH") or "0"
    return max(1, math.ceil(int(length) / _KIBIBYTE)) if length.isascii() and length.isdigit() else 1


def _answer(request: HttpRequest, refused: limits.Refused) -> HttpResponse:
    headers = {"Retry-After": str(refused.retry_after)}
    if is_api_path(request.path_info):
        return problems.problem(429, "too_often", refused.detail, headers=headers)
    return HttpResponse(refused.detail, status=429, content_type="text/plain; charset=utf-8", headers=headers)
