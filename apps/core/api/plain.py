"""Plain Django views as part of the API, for the calls that are too frequent for REST framework."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from apps.core.api.problems import problem


def api_view(*methods: str) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Let a plain view answer ``methods`` as the API does. It must sign callers in by a token, never by a cookie.

    What it raises becomes problem JSON in the ``ProblemsOnly`` layer.
    """

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in methods:
                allowed = {"Allow": ", ".join(methods)}
                return problem(405, "method_not_allowed", f"{request.method} is not taken here.", headers=allowed)
            return view(request, *args, **kwargs)

        return answer

    return decorate
