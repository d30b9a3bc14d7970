"""Where the dialect of existing clients knows an address but not the method: the canonical API answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import resolve
from django.views.decorators.csrf import csrf_exempt

View = Callable[..., HttpResponseBase]


def or_canonical(view: View, *methods: str) -> View:
    """Let ``view`` answer ``methods``, and for any other what stands at the same address of the canonical API."""

    # No cookie counts on the dialect, and a canonical view that takes one checks its CSRF token by itself.
    @csrf_exempt
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method in methods:
            return view(request, *args, **kwargs)
        match = resolve(f"/api/v1/{_within(request.path_info)}")
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        return response

    return answer


def _within(path: str) -> str:
    """Return an address as it is below the root of its surface."""
    _, is_of_tenant, rest = path.partition("/orchestrator_/")
    return rest if is_of_tenant else path.removeprefix("/api/")
