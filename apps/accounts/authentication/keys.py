"""The doors through which programs and signed-in people reach the API."""

from __future__ import annotations

from typing import Any

from rest_framework import authentication, exceptions
from rest_framework.request import Request

from apps.accounts import services
from apps.accounts.authentication.presented import presented
from apps.accounts.models import ApiToken
from apps.core import context
from apps.core.actors import Actor
from apps.core.edge import addresses
from apps.core.errors import NotAllowed
from apps.tenancy.models import TenantStatus


class ApiTokenAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer bvu_…`` or ``X-Api-Key: bvu_…``."""

    security_schemes = ("bearer", "apiKey")

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        text = presented(request)
        if text is None:
            return None
        key = ApiToken.matching(text, "user", "tenant")
        if key is None or not key.user.is_active:
            raise exceptions.AuthenticationFailed("This API key is unknown, expired or revoked.", code="bad_api_key")
        if key.tenant.status == TenantStatus.SUSPENDED and request.method not in ("GET", "HEAD"):
            raise exceptions.PermissionDenied("This tenant is suspended.", code="tenant_suspended")
        actor = Actor.person(key.user, tenant_id=key.tenant_id, bounds=key.bounds())
        _refuse_foreign_network(key, actor)
        services.note_use(key, actor=actor)
        return key.user, actor

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _refuse_foreign_network(key: ApiToken, actor: Actor) -> None:
    """Refuse a key from where it does not belong, whoever has got hold of it; the refusal is audited."""
    address = context.current().address
    if key.networks and not addresses.is_within(addresses.parse_address(address or ""), key.networks):
        raise NotAllowed(
            "This API key works from other networks only.", code="foreign_network", target=key, actor=actor
        )
