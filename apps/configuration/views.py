"""Settings of the running system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.configuration import services
from apps.configuration.models import Setting
from apps.configuration.rules import GROUPS, group_named
from apps.core.api.filters import refuse_unknown_parameters
from apps.core.api.views import ApiView
from apps.core.errors import Invalid
from apps.rbac import services as rbac
from apps.tenancy.models import Tenant
from apps.tenancy.views.places import TENANT_HEADER, tenant_for

_VALUES: Final = {"type": "object", "additionalProperties": {}, "description": "Values by their keys."}
_GROUPS: Final = {"type": "object", "additionalProperties": _VALUES, "description": "Values by group and key."}
_CHANGES: Final = {"type": "object", "additionalProperties": {}, "description": "New values by key; null: not set."}
_PARAMETERS: Final = [
    OpenApiParameter(
        TENANT_HEADER,
        str,
        OpenApiParameter.HEADER,
        description="A tenant, by slug or id: what holds in it. Left out by who may see the installation's: those.",
    )
]
_GROUP: Final = OpenApiParameter("group", {"type": "string", "enum": list(GROUPS)}, OpenApiParameter.PATH)


class AllSettings(ApiView):
    """All groups of settings."""

    @extend_schema(operation_id="settings_list", parameters=_PARAMETERS, responses={200: _GROUPS})
    def get(self, request: Request) -> Response:
        """Read what holds for the installation, or in a tenant. A key of a tenant reads its tenant's."""
        refuse_unknown_parameters(request, frozenset())
        place = self._place("configuration.view_setting")
        groups = [name for name, group in GROUPS.items() if place is None or group.is_told_to_tenants]
        return Response({name: Setting.objects.in_force(name, place.pk if place else None) for name in groups})

    def _place(self, permission: str) -> Tenant | None:
        """Return the tenant whose settings are meant, or ``None``; the caller holds ``permission`` there."""
        request = self.request
        if TENANT_HEADER not in request.headers and rbac.allows(self.actor, permission, rbac.EVERYWHERE):
            return None
        tenant = tenant_for(request, self.actor)
        rbac.require(self.actor, permission, tenant)
        return tenant


class SettingsOfGroup(AllSettings):
    """One group of settings."""

    @extend_schema(operation_id="settings_read", parameters=[*_PARAMETERS, _GROUP], responses={200: _VALUES})
    def get(self, request: Request, group: str) -> Response:  # type: ignore[override]
        """Read one group of what holds for the installation, or in a tenant.

        In the place of a secret that is set stands `********`; sent back, it keeps the secret. How mail leaves
        (`email`) is told to those alone who may see the installation's settings.
        """
        refuse_unknown_parameters(request, frozenset())
        known, place = group_named(group), self._place("configuration.view_setting")
        if not known.is_told_to_tenants:
            rbac.require(self.actor, "configuration.view_setting", rbac.EVERYWHERE)
            place = None
        return Response(Setting.objects.in_force(group, place.pk if place else None))

    @extend_schema(
        operation_id="settings_change",
        parameters=[*_PARAMETERS, _GROUP],
        request={"application/json": _CHANGES},
        responses={200: _VALUES},
    )
    def put(self, request: Request, group: str) -> Response:
        """Set some keys of a group; those left out stay, and null takes back what was set.

        For the installation, or with a key of a tenant, or with `X-Tenant`, for that tenant alone: then its own
        value holds there in the place of the installation's. Not every key can differ between tenants.
        """
        group_named(group)
        if not isinstance(request.data, Mapping):
            raise Invalid("Send an object of values by their keys.")
        place, values = self._place("configuration.change_setting"), _values(request.data)
        return Response(services.change_settings(group, actor=self.actor, values=values, tenant=place))


def _values(data: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in data.items()}
