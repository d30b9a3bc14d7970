"""The sessions of people at the admin: who is behind one, and when they last proved it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.auth.middleware import AuthenticationMiddleware, get_user
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from rest_framework import authentication

_SIGNED_IN_AT: Final = "signed_in_at"


class PeopleAtSessions(AuthenticationMiddleware):
    """Finds the person behind a session, as Django does, and when they last proved who they are."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _person_at(request))  # type: ignore[assignment]


class SessionAuthentication(authentication.SessionAuthentication):
    """The admin's own session, with its CSRF check, for pages that call the API."""

    security_schemes = ("session",)


def mark_fresh(request: HttpRequest, moment: datetime) -> None:
    """Note in the session when its person proved who they are."""
    request.session[_SIGNED_IN_AT] = moment.timestamp()


def _person_at(request: HttpRequest) -> Any:
    person: Any = get_user(request)
    noted = request.session.get(_SIGNED_IN_AT)
    if person.is_authenticated and noted is not None:
        person.signed_in_at = datetime.fromtimestamp(noted, UTC)
    return person
