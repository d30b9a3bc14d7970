"""The doors through which programs and signed-in people reach the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from apps.accounts.models import ApiToken
from apps.core.actors import Actor
from apps.tenancy.models import TenantStatus

#: ``last_used_at`` is a hint for people; it is not written more often than this.
USE_NOTED_EVERY = timedelta(minutes=1)


class ApiTokenAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer bvu_…`` or ``X-Api-Key: bvu_…``."""

    security_schemes = ("bearer", "apiKey")

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        text = _presented(request)
        if text is None:
            return None
        key = ApiToken.matching(text, "user", "tenant")
        if key is None or not key.user.is_active:
            raise exceptions.AuthenticationFailed("This API key is unknown, expired or revoked.", code="bad_api_key")
        if key.tenant.status == TenantStatus.SUSPENDED and request.method not in ("GET", "HEAD"):
            raise exceptions.PermissionDenied("This tenant is suspended.", code="tenant_suspended")
        _note_use(key)
        return key.user, Actor.person(key.user, tenant_id=key.tenant_id)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _presented(request: Request) -> str | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    return request.headers.get("X-Api-Key")


def _note_use(key: ApiToken) -> None:
    if key.last_used_at is not None and key.last_used_at > timezone.now() - USE_NOTED_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lt=Now() - USE_NOTED_EVERY)
    ApiToken.objects.filter(stale, pk=key.pk).update(last_used_at=Now())
