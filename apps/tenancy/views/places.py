"""Where a new thing goes: the folder or the tenant that a request names, or the only one there could be."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.core.actors import Actor
from apps.core.api.identifiers import parse_id
from apps.core.api.strict_json import shown
from apps.core.errors import Invalid
from apps.rbac import services as rbac
from apps.tenancy.models import Folder, Tenant

TENANT_HEADER: Final = "X-Tenant"
FOLDER_HEADER: Final = "X-Folder-ID"
#: What the description of a create says about these.
TENANT_PARAMETER: Final = OpenApiParameter(
    TENANT_HEADER,
    str,
    OpenApiParameter.HEADER,
    description="The tenant in which to make it, by slug or id. Needed only by who sees several.",
)
FOLDER_PARAMETERS: Final = (
    OpenApiParameter(
        FOLDER_HEADER,
        {"type": "string", "format": "uuid"},
        OpenApiParameter.HEADER,
        description="The folder in which to make it; the same as `folder` in the body. Without either it is the "
        "tenant's *Shared* folder.",
    ),
    TENANT_PARAMETER,
)


def tenant_for(request: Request, actor: Actor) -> Tenant:
    """Return the tenant a request is about. Raises ``Invalid`` that names the header, ``NotAllowed`` if suspended."""
    visible = Tenant.objects.visible_to(actor)
    named = request.headers.get(TENANT_HEADER)
    tenant = _named(visible, named) if named is not None else _only(visible)
    rbac.refuse_suspended(actor, tenant)
    return tenant


def folder_for(request: Request, actor: Actor, named: Folder | None) -> Folder:
    """Return the folder in which to make something: ``named`` by the body, by the header, or *Shared*.

    Raises ``Invalid`` that names the field or header, ``NotAllowed`` in a suspended tenant.
    """
    folder = _same(named, _of_header(request, actor))
    if folder is None:
        tenant = tenant_for(request, actor)
        return Folder.objects.alive().get(tenant=tenant, is_default=True)
    if TENANT_HEADER in request.headers and tenant_for(request, actor).pk != folder.tenant_id:
        raise Invalid.field(TENANT_HEADER, "The folder is in another tenant.", code="contradiction")
    rbac.refuse_suspended(actor, folder)
    return folder


def _of_header(request: Request, actor: Actor) -> Folder | None:
    text = request.headers.get(FOLDER_HEADER)
    if text is None:
        return None
    identity = parse_id(text, field=FOLDER_HEADER)
    folder = Folder.objects.alive().visible_to(actor).filter(pk=identity).first()
    if folder is None:
        raise Invalid.field(FOLDER_HEADER, "There is no such folder.", code="unknown")
    return folder


def _same(named: Folder | None, in_header: Folder | None) -> Folder | None:
    if named is not None and in_header is not None and named.pk != in_header.pk:
        raise Invalid.field("folder", f"The body names one folder and {FOLDER_HEADER} another.", code="contradiction")
    return named or in_header


def _named(visible: Any, text: str) -> Tenant:
    wanted: dict[str, Any] = {"slug": text}
    with suppress(Invalid):
        wanted = {"pk": parse_id(text)}
    tenant: Tenant | None = visible.filter(**wanted).first()
    if tenant is None:
        raise Invalid.field(TENANT_HEADER, f"There is no tenant “{shown(text)}”.", code="unknown")
    return tenant


def _only(visible: Any) -> Tenant:
    tenants = list(visible.order_by("id")[:2])
    if len(tenants) == 1:
        return tenants[0]  # type: ignore[no-any-return]
    if not tenants:
        raise Invalid.field(TENANT_HEADER, "There is no tenant you could do this in.", code="no_tenant")
    raise Invalid.field(
        TENANT_HEADER,
        f"You see several tenants: name one by {TENANT_HEADER} (slug or id), or a folder by {FOLDER_HEADER}.",
        code="several_tenants",
    )
