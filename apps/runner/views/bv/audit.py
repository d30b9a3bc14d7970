"""The audit trail, in the calls of existing BV clients."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.audit.models import AuditEntry
from apps.core.api.plain import api_view
from apps.core.errors import NotFound
from apps.rbac import services as rbac
from apps.runner.authentication import program_of
from apps.runner.serializers import bv_audit
from apps.runner.views.robots import reply


@api_view("GET")
def collection(request: HttpRequest) -> HttpResponseBase:
    """List a page of the entries that the caller may see, those of robots and of the system itself as well.

    ``total`` counts no further than ``bv_audit.MOST_COUNTED``, however many there are.
    """
    asked = bv_audit.read_query(request.GET)
    rows = asked.narrow(_known(request)).order_by("-id")
    begin = (asked.page - 1) * asked.size
    return reply(
        {
            "items": [bv_audit.entry_row(entry) for entry in rows[begin : begin + asked.size]],
            "total": rows.order_by().values("pk")[: bv_audit.MOST_COUNTED].count(),
            "page": asked.page,
            "page_size": asked.size,
        }
    )


@api_view("GET")
def one(request: HttpRequest, entry: UUID) -> HttpResponseBase:
    """Read an entry."""
    found = _known(request).filter(pk=entry).first()
    if found is None:
        raise NotFound("There is no such audit entry.", code="unknown_entry")
    return reply(bv_audit.entry_body(found))


def _known(request: HttpRequest) -> Any:
    return rbac.visible(AuditEntry.objects.all(), program_of(request), "audit.view_auditentry")
