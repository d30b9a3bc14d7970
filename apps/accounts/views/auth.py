"""Signing in over the API, and out."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth import logout
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services
from apps.accounts.models import Door, UserSession
from apps.accounts.serializers import AuthMeOut, Confirm, ConfirmedOut, SignedInOut, SignIn
from apps.accounts.views.about import artifact_rights, avatar_of
from apps.core.actors import FRESH_FOR, Actor
from apps.core.api.filters import refuse_unknown_parameters
from apps.core.api.parsers import StrictFormParser, StrictJsonParser
from apps.core.api.serializers import InputSerializer
from apps.core.api.views import ApiView
from apps.core.errors import NotFound, NotSignedIn, Unavailable
from apps.rbac import services as rbac

#: The answer to a wrong name, a wrong password, an account that is disabled, and a try that nobody looks at.
INVALID: Final = "Invalid credentials"


class Login(ApiView):
    """Signing in."""

    parser_classes = [StrictJsonParser, StrictFormParser]
    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    answers_once = False

    @extend_schema(
        operation_id="auth_login",
        request={"application/json": SignIn, "application/x-www-form-urlencoded": SignIn},
        responses=SignedInOut,
    )
    def post(self, request: Request) -> Response:
        """Begin a session by name and password. The answer holds its token this once.

        All that fails is answered alike, 401 `invalid_credentials`: an unknown name, a wrong password, a disabled
        account. After too many failures by a name from one network nobody looks at a password for a while, and that is
        the same answer again; from elsewhere its owner gets in.
        """
        refuse_unknown_parameters(request)
        asked = self.read(SignIn)
        proof = services.prove_password(actor=Actor.system("sign-in"), **asked)
        if proof.is_busy:
            raise Unavailable("Others are trying to sign in by this name from there: try again.", retry_after=1)
        if proof.user is None:
            raise NotSignedIn(INVALID, code="invalid_credentials")
        session, text = services.sign_in(proof.user, actor=Actor.person(proof.user), door=Door.API)
        return Response(token_answer(session, text))


class Logout(ApiView):
    """Signing out."""

    answers_once = False

    @extend_schema(operation_id="auth_logout", request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the session that this request belongs to, at the admin as over the API."""
        refuse_unknown_parameters(request)
        self.read(InputSerializer)
        session = own_session(self.actor)
        if session.door == Door.ADMIN:
            logout(request._request)
        else:
            services.sign_out(session, actor=self.actor)
        return Response(status=204)


class ConfirmSignIn(ApiView):
    """Proving again who one is."""

    answers_once = False

    @extend_schema(operation_id="auth_confirm", request=Confirm, responses=ConfirmedOut)
    def post(self, request: Request) -> Response:
        """Prove again who you are. What is refused with `fresh_sign_in_needed` can be done for five minutes then."""
        refuse_unknown_parameters(request)
        asked = self.read(Confirm)
        session = services.confirm_sign_in(self.actor.user, actor=self.actor, **asked)
        if session.door == Door.ADMIN:
            request._request.session.cycle_key()
        return Response(ConfirmedOut({"fresh_until": session.proved_at + FRESH_FOR}).data)


class AuthMe(ApiView):
    """Who you are, for existing clients."""

    @extend_schema(operation_id="auth_me_retrieve", responses=AuthMeOut)
    def get(self, request: Request) -> Response:
        """Say who you are, in the shape that existing clients read. The canonical one is `GET /me`."""
        refuse_unknown_parameters(request)
        user = self.actor.user
        if user is None:
            raise NotFound("Only people and service accounts have an account.")
        avatar = avatar_of(user)
        who = {
            "id": user.pk,
            "username": user.username,
            "email": user.email,
            "is_admin": user.is_superuser,
            "full_name": user.name,
            "display_name": user.name,
            "status": "active",
            "locked_until": None,
            "last_login": user.last_login,
            "preferences": user.preferences,
            "token_version": 1,
            "avatar_url": avatar.url,
            "avatar_updated_at": avatar.updated_at,
        }
        roles = {one.role for one in rbac.held_assignments(self.actor).select_related("role")}
        answer = {
            "user": who,
            "roles": sorted(roles, key=lambda role: role.name),
            "permissions": artifact_rights(self.actor),
            "timezone": user.time_zone,
        }
        return Response(AuthMeOut(answer).data)


def own_session(actor: Actor) -> UserSession:
    """Return the session that a request belongs to. Raises ``NotFound`` where it is signed by a key."""
    session: UserSession | None = actor.user.at_session if actor.user is not None else None
    if session is None:
        raise NotFound("This request belongs to no session: it is signed with a key.")
    return session


def token_answer(session: UserSession, text: str) -> dict[str, Any]:
    """Return a token as callers are given it."""
    facts = {"access_token": text, "token_type": "bearer", "expires_at": session.expires_at}
    return dict(SignedInOut(facts).data)
