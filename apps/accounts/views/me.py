"""What people see and change of themselves: their profile, their password, their sessions."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import logout, update_session_auth_hash
from django.db.models import Case, QuerySet, When
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services
from apps.accounts.models import Avatar, Door, User, UserSession
from apps.accounts.rules import pictures
from apps.accounts.serializers import (
    AvatarOut,
    ChangeMe,
    ChangePassword,
    MeOut,
    PictureFile,
    RenewedOut,
    UserSessionOut,
)
from apps.accounts.views.about import avatar_of, avatar_url, held_permissions
from apps.accounts.views.auth import own_session
from apps.core.api.filters import refuse_unknown_parameters
from apps.core.api.identifiers import parse_id
from apps.core.api.parsers import StrictMultiPartParser
from apps.core.api.rows import RowViewSet
from apps.core.api.serializers import InputSerializer
from apps.core.api.views import ApiView
from apps.core.errors import NotFound
from apps.rbac import services as rbac
from apps.tenancy.models import Tenant

#: Bytes of a multipart body beside the file itself.
_ENVELOPE = 64 * 1024


class OwnView(ApiView):
    """A view of the person who asks."""

    @property
    def user(self) -> User:
        """Who asks. Raises ``NotFound`` for whoever has no account."""
        if self.actor.user is None:
            raise NotFound("Only people and service accounts have an account.")
        user: User = self.actor.user
        return user


class Me(OwnView):
    """Who you are."""

    @extend_schema(responses=MeOut, operation_id="me_retrieve")
    def get(self, request: Request) -> Response:
        """Say who you are: your account, your tenants, your roles, and what you may do somewhere."""
        refuse_unknown_parameters(request)
        return self._answer()

    @extend_schema(request=ChangeMe, responses=MeOut, operation_id="me_update")
    def put(self, request: Request) -> Response:
        """Change what you say of yourself; what is left out stays."""
        refuse_unknown_parameters(request)
        user, asked = self.user, self.read(ChangeMe)
        services.update_profile(user, actor=self.actor, **asked)
        return self._answer()

    def _answer(self) -> Response:
        user = self.user
        tenants = list(Tenant.objects.visible_to(self.actor).order_by("name"))
        facts = {
            "user": user,
            "display_name": user.name,
            "time_zone": user.time_zone,
            "preferences": user.preferences,
            "avatar_url": avatar_of(user).url,
            "bound_to": next((tenant for tenant in tenants if tenant.pk == self.actor.tenant_id), None),
            "is_superuser": user.is_superuser,
            "tenants": tenants,
            "roles": rbac.held_assignments(self.actor).select_related("role"),
            "permissions": held_permissions(self.actor),
        }
        return Response(MeOut(facts).data)


class OwnPassword(OwnView):
    """Your password."""

    answers_once = False

    @extend_schema(request=ChangePassword, responses=RenewedOut, operation_id="me_change_password")
    def post(self, request: Request) -> Response:
        """Change your password. Your other sessions end; a session by a token gets a new one, shown this once."""
        refuse_unknown_parameters(request)
        asked = self.read(ChangePassword)
        session = own_session(self.actor)
        text = services.change_password(self.user, actor=self.actor, **asked)
        if session.door == Door.ADMIN:
            update_session_auth_hash(request._request, session.user)
        return Response(_renewed(session, text))


class OtherSessions(OwnView):
    """Your other sessions."""

    answers_once = False

    @extend_schema(request=None, responses=RenewedOut, operation_id="me_logout_others")
    def post(self, request: Request) -> Response:
        """End all your sessions but this one; a session by a token gets a new one, shown this once."""
        refuse_unknown_parameters(request)
        self.read(InputSerializer)
        session = own_session(self.actor)
        _, text = services.sign_out_others(self.user, actor=self.actor)
        return Response(_renewed(session, text))


class OwnAvatar(OwnView):
    """Your picture."""

    parser_classes = [StrictMultiPartParser]
    body_limit = pictures.LARGEST_FILE + _ENVELOPE

    @extend_schema(request={"multipart/form-data": PictureFile}, responses=AvatarOut, operation_id="me_avatar_set")
    def post(self, request: Request) -> Response:
        """Show a picture of you, PNG or JPEG of at most 2 MB; it is drawn anew as a square of 192 pixels."""
        refuse_unknown_parameters(request)
        avatar = services.set_avatar(self.user, actor=self.actor, **self.read(PictureFile))
        return Response(AvatarOut({"avatar_url": avatar_url(avatar)}).data)

    @extend_schema(responses={204: None}, operation_id="me_avatar_remove")
    def delete(self, request: Request) -> Response:
        """Show no picture of you. Asking again changes nothing."""
        refuse_unknown_parameters(request)
        services.remove_avatar(self.user, actor=self.actor)
        return Response(status=204)


class OneAvatar(ApiView):
    """The picture of a user."""

    @extend_schema(responses={(200, "image/png"): OpenApiTypes.BINARY}, operation_id="me_avatar_retrieve")
    def get(self, request: Request, id: str) -> HttpResponse:
        """Read the picture of a user you share a tenant with, or your own. An address always gives the same picture."""
        refuse_unknown_parameters(request)
        users = User.objects.visible_to(self.actor).values("pk")
        avatar = Avatar.objects.filter(pk=parse_id(id), user__in=users).first()
        if avatar is None:
            raise NotFound("There is no such picture.")
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Content-Disposition": 'attachment; filename="avatar.png"',
            "Cache-Control": "private, max-age=86400, immutable",
        }
        return HttpResponse(bytes(avatar.image), content_type=pictures.CONTENT_TYPE, headers=headers)


class OwnSessionViewSet(RowViewSet):
    """Your sessions: at the admin, and over the API."""

    http_method_names = ["get", "head", "delete", "options"]
    queryset = UserSession.objects.all()
    serializer_class = UserSessionOut
    orderings = ("created_at",)

    def get_queryset(self) -> QuerySet[UserSession]:
        """Return one's own, with which of them this request belongs to."""
        present = self.request.user.at_session if self.request.user.is_authenticated else None
        is_present = Case(When(pk=present.pk if present else None, then=True), default=False)
        own: QuerySet[UserSession] = super().get_queryset().annotate(is_present=is_present)
        return own

    def destroy(self, request: Request, id: Any) -> Response:
        """End one of your sessions at once."""
        session: Any = self.get_object()
        if session.is_present and session.door == Door.ADMIN:
            logout(request._request)
        else:
            services.sign_out(session, actor=self.actor)
        return Response(status=204)


def _renewed(session: UserSession, text: str) -> dict[str, Any]:
    facts = {"status": "ok", "access_token": text or None, "expires_at": session.expires_at if text else None}
    return dict(RenewedOut(facts).data)
