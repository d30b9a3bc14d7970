"""Who is calling. Apart from the views, because REST framework loads its default permissions before its views."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from rest_framework import permissions
from rest_framework.request import Request

from apps.core.actors import Actor
from apps.core.edge import trace
from apps.core.errors import NotSignedIn


def actor_of(request: Request | HttpRequest) -> Actor:
    """Return whoever signed the request: the holder of a token, or else the person behind the session.

    Raises ``NotSignedIn``.
    """
    auth = getattr(request, "auth", None)
    actor = auth if isinstance(auth, Actor) else Actor.person(request.user)
    trace.current().actor = actor
    return actor


def actor_if_known(request: Request | HttpRequest) -> Actor | None:
    """Return whoever signed the request, or ``None`` on the few addresses that take anybody."""
    try:
        return actor_of(request)
    except NotSignedIn:
        return None


class SignedIn(permissions.BasePermission):
    """Lets in whoever is known; what they may do, each service asks for itself. Raises ``NotSignedIn``."""

    def has_permission(self, request: Request, view: Any) -> bool:
        actor_of(request)
        return True
