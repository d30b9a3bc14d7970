"""The page of the bin: what was deleted, by whom, until when it can be had back."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import display
from apps.core.admin.panels import Table
from apps.core.admin.site import OperatorSite
from apps.core.api.callers import actor_of
from apps.core.errors import Invalid
from apps.retention.models.bins import BIN, BinKind, Binned, binned
from apps.retention.serializers import after_of, cursor_after

MOST_SHOWN: Final = 50
_HEADINGS: Final = ["What", "Name", "Tenant", "Folder", "Deleted", "By", "Purged", ""]


def page(site: OperatorSite, request: HttpRequest) -> HttpResponse:
    """Show what lies in the bin of all that the person may see; ``kind`` narrows it."""
    kind = request.GET.get("kind", "")
    wanted: dict[str, Any] = {"kinds": [kind]} if kind in BIN else {}
    try:
        wanted |= {"after": after_of(request.GET["cursor"])} if "cursor" in request.GET else {}
    except Invalid:
        wanted.pop("after", None)  # An address that was cut off begins at the start.
    rows = binned(actor_of(request), limit=MOST_SHOWN + 1, **wanted)
    here = reverse("admin:bin")
    more = ""
    if len(rows) > MOST_SHOWN:
        asked = {"cursor": cursor_after(rows[MOST_SHOWN - 1])} | ({"kind": kind} if kind in BIN else {})
        more = f"{here}?{urlencode(asked)}"
    empty = "Nothing lies here. What is deleted can be had back from here for a while."
    kinds = [("", "All", not kind)]
    kinds += [(one.name, one.name.capitalize(), one.name == kind) for one in _open(site, request)]
    shown = [_row(request, one) for one in rows[:MOST_SHOWN]]
    context = {
        **site.each_context(request),
        "title": "Bin",
        "kinds": kinds,
        "panel": Table("In the bin", _HEADINGS, shown, empty, icon="delete"),
        "more": more,
    }
    return TemplateResponse(request, "retention/bin.html", context)


def _open(site: OperatorSite, request: HttpRequest) -> list[BinKind]:
    return [kind for kind in BIN.values() if site.holds(request, f"{kind.model._meta.app_label}.view_{kind.noun}")]


def _row(request: HttpRequest, one: Binned) -> list[Any]:
    kind = BIN[one.kind]
    return [
        kind.title,
        format_html('<a class="op-link op-nowrap" href="{}">{}</a>', _address(one, "change"), one.name),
        one.tenant,
        one.folder or display.NOTHING,
        display.moment(one.deleted_at),
        one.deleted_by,
        display.ago(one.goes_at),
        _restore(request, one),
    ]


def _restore(request: HttpRequest, one: Binned) -> SafeString | str:
    """Return the way to restore it for whoever may restore such things somewhere; the page itself asks about this."""
    permission = f"{BIN[one.kind].model._meta.app_label}.delete_{BIN[one.kind].noun}"
    site: Any = admin.site
    if not site.holds(request, permission):
        return ""
    return format_html('<a class="op-button" href="{}">Restore</a>', _address(one, "restore"))


def _address(one: Binned, name: str) -> str:
    meta = BIN[one.kind].model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{name}", args=[one.id])
