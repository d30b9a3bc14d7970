"""Who there is, and the keys of programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services
from apps.accounts.filters import ApiKeyFilters, ServiceAccountFilters, UserFilters
from apps.accounts.models import ApiToken, User, UserKind
from apps.accounts.serializers import (
    ApiKeyOut,
    CreateApiKey,
    CreateServiceAccount,
    KeyUsageOut,
    NewApiKeyOut,
    RotateApiKey,
    ServiceAccountOut,
    UserOut,
)
from apps.core.api.rows import Reason, RowViewSet
from apps.core.errors import NotFound
from apps.tenancy.views.places import TENANT_PARAMETER, tenant_for


class UserViewSet(RowViewSet):
    """Users: people and service accounts you share a tenant with."""

    http_method_names = ["get", "head", "options"]
    queryset = User.objects.get_queryset()
    serializer_class = UserOut
    filterset_class = UserFilters
    orderings = ("username", "created_at")


class ServiceAccountViewSet(RowViewSet):
    """Service accounts: accounts of programs, with keys and no password."""

    queryset = User.objects.get_queryset().filter(kind=UserKind.SERVICE)
    serializer_class = ServiceAccountOut
    filterset_class = ServiceAccountFilters
    orderings = ("name", "created_at")
    input_serializers = {"create": CreateServiceAccount, "disable": Reason}

    @extend_schema(parameters=[TENANT_PARAMETER])
    def create(self, request: Request) -> Response:
        """Make a service account in a tenant. Give it a role, then a key."""
        tenant = tenant_for(request, self.actor)
        return self.created(services.create_service_account(tenant, actor=self.actor, **self.asked()))

    @action(detail=True, methods=["post"])
    def disable(self, request: Request, id: Any) -> Response:
        """Turn away every key of a service account, until it is enabled again."""
        return self.operate(services.disable_user)

    @action(detail=True, methods=["post"])
    def enable(self, request: Request, id: Any) -> Response:
        """Let a disabled service account call again."""
        return self.operate(services.enable_user)


class ApiKeyViewSet(RowViewSet):
    """API keys: yours, and those of service accounts you look after."""

    queryset = ApiToken.objects.select_related("user").prefetch_related("bound_folders")
    serializer_class = ApiKeyOut
    filterset_class = ApiKeyFilters
    orderings = ("created_at",)
    input_serializers = {"create": CreateApiKey, "revoke": Reason, "rotate": RotateApiKey}

    @extend_schema(parameters=[TENANT_PARAMETER], responses={201: NewApiKeyOut})
    def create(self, request: Request) -> Response:
        """Make a key for yourself or for a service account. The answer holds the key this once.

        `scopes`, `folders` and `networks` narrow what its user may. A key that is made with a key reaches no further
        than that one, and ends no later.
        """
        asked = self.asked()
        user = asked.pop("user", None) or self.actor.user
        if user is None:
            raise NotFound("Only people and service accounts have keys.")
        tenant = user.tenant or tenant_for(request, self.actor)
        life = timedelta(days=asked.pop("life_days"))
        key, text = services.create_api_key(user, actor=self.actor, tenant=tenant, life=life, **asked)
        return self.created(key, key=text)

    @extend_schema(responses={200: NewApiKeyOut})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, id: Any) -> Response:
        """Give a key a new text, which the answer holds this once. The one before works on for a while."""
        key: Any = self.get_object()
        overlap = timedelta(minutes=self.asked()["overlap_minutes"])
        key, text = services.rotate_api_key(key, actor=self.actor, overlap=overlap)
        return Response({**self.get_serializer(self.shown(key)).data, "key": text})

    @extend_schema(responses=KeyUsageOut)
    @action(detail=True, methods=["get"])
    def usage(self, request: Request, id: Any) -> Response:
        """Say how often a key was used in the last 90 days, by day and by network address."""
        key: Any = self.get_object()
        return Response(KeyUsageOut.of(services.usage_of(key)).data)

    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, id: Any) -> Response:
        """End a key at once. Asking again changes nothing."""
        return self.operate(services.revoke_api_key)
