"""The sessions of people, by a cookie at the admin or by a token over the API: who is behind one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from apps.accounts import services
from apps.accounts.authentication.presented import note_use, presented
from apps.accounts.models import Door, User, UserSession
from apps.core.actors import Actor

#: Where the cookie's session says which of ours it is.
SESSION: Final = "session"
#: What a page finds on its request where a try to sign in was not looked at: for how long nobody looks.
WAIT: Final = "sign_in_wait"


class Passwords(BaseBackend):
    """Signs people in by name and password wherever Django asks for it. Every try counts."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        """Return whose password it is, or ``None`` for another kind of proof. Raises ``PermissionDenied``."""
        if username is None or password is None:
            return None
        proof = services.prove_password(username, actor=Actor.system("sign-in"), password=password)
        if proof.user is None:
            if request is not None:
                setattr(request, WAIT, proof.wait)
            raise PermissionDenied
        return proof.user

    def get_user(self, user_id: Any) -> User | None:
        """Return a user who may sign in."""
        user: User | None = User.objects.get_queryset().filter(pk=user_id, is_active=True).first()
        return user


class PeopleAtSessions(AuthenticationMiddleware):
    """Finds the person behind a cookie, for as long as the session that began with it is good."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _person_at(request))  # type: ignore[assignment]


class SessionAuthentication(authentication.SessionAuthentication):
    """The admin's own session, with its CSRF check, for pages that call the API."""

    security_schemes = ("session",)


class SessionTokenAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer bvp_…``: the token of a session that a person began by signing in over the API."""

    security_schemes = ("bearer",)

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        text = presented(request)
        if text is None or not text.startswith(f"bv{UserSession.KIND}_"):
            return None
        session = UserSession.matching(text, "user")
        if session is None or not session.is_good(timezone.now()):
            raise exceptions.AuthenticationFailed("Invalid token: sign in again.", code="bad_session")
        note_use(session)
        session.user.at_session = session
        return session.user, Actor.person(session.user)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def begin(request: HttpRequest, user: User) -> None:
    """Begin a session of ours with one that Django has just begun."""
    if not user.is_active:
        return
    session, _ = services.sign_in(user, actor=Actor.person(user), door=Door.ADMIN)
    request.session[SESSION] = str(session.pk)
    user.at_session = session


def end(request: HttpRequest, user: User | None) -> None:
    """End the session of ours that belongs to one that Django is about to end."""
    if user is not None and user.at_session is not None:
        services.sign_out(user.at_session, actor=Actor.person(user))


def _person_at(request: HttpRequest) -> Any:
    session = _session_at(request)
    if session is None:
        if SESSION_KEY in request.session:
            request.session.flush()
        return AnonymousUser()
    note_use(session)
    session.user.at_session = session
    # Where Django and the log line look for who it is.
    request._cached_user = session.user  # type: ignore[attr-defined]
    return session.user


def _session_at(request: HttpRequest) -> UserSession | None:
    identity, user_id = request.session.get(SESSION), request.session.get(SESSION_KEY)
    if identity is None or user_id is None:
        return None
    session = UserSession.objects.select_related("user").filter(pk=identity, user=user_id).first()
    now = timezone.now()
    if session is None or not session.is_good(now):
        return None
    is_idle = session.seen_at < now - timedelta(minutes=settings.SESSION_IDLE_MINUTES)
    return None if is_idle else session
