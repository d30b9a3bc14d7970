"""Addresses of the API: each answers with and without a slash at its end, and none redirects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import URLPattern
from django.urls.resolvers import RoutePattern
from rest_framework import routers


class EitherSlash(RoutePattern):
    """A route that also matches with a slash added."""

    def match(self, path: str) -> tuple[str, tuple[Any, ...], dict[str, Any]] | None:
        return super().match(path.removesuffix("/"))


def api_path(
    route: str,
    view: Callable[..., HttpResponseBase],
    kwargs: dict[str, Any] | None = None,
    name: str | None = None,
) -> URLPattern:
    """Return a route of the API, written without a slash at its end; used like Django's ``path``."""
    if route.endswith("/"):
        raise ValueError(f"The route {route!r} ends with a slash: leave it out, both forms are answered.")
    return URLPattern(EitherSlash(route, name=name, is_endpoint=True), view, kwargs, name)


class ApiRouter(routers.SimpleRouter):
    """Routes for viewsets: ``prefix``, ``prefix/{id}``, ``prefix/{id}/verb``."""

    def __init__(self) -> None:
        super().__init__(trailing_slash=False, use_regex_path=False)
        self._url_conf = api_path
