"""How much is done, by whom and when: the numbers of the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.audit.models.statistics import Statistics, statistics_of
from apps.core.actors import PERSON
from apps.core.admin import display
from apps.core.admin.panels import Table

#: How long the times are that can be chosen.
_SPANS: Final = {1: "Last 24 hours", 7: "Last 7 days", 30: "Last 30 days", 90: "Last 90 days"}
_USUAL: Final = "7"


def page(admin: Any, request: HttpRequest, rows: Any) -> HttpResponse:
    """Show the numbers of the entries that the person may see."""
    chosen = request.GET.get("days", _USUAL)
    asked = int(chosen) if chosen in map(str, _SPANS) else int(_USUAL)
    now = timezone.now()
    found = statistics_of(rows, now - timedelta(days=asked), now)
    spans = [(str(days), title) for days, title in _SPANS.items()]
    context = {
        "title": "Numbers of the audit trail",
        "chips": [display.chips(request, "days", spans, default=_USUAL)],
        "numbers": [
            ("Entries", f"{found.total:,}"),
            ("Refused", f"{found.refused:,}"),
            ("Whoever did something", f"{len(found.by_actor):,}"),
        ],
        "panels": [_types(found), _days(found), _actors(found), _actions(found)],
        "list_address": reverse("admin:audit_auditentry_changelist"),
    }
    response: HttpResponse = admin.render(request, "console/audit_numbers.html", **context)
    return response


def _types(found: Statistics) -> Table:
    rows = _counted(found.by_type, lambda one: one["name"].replace("_", " "))
    return Table("By kind of act", ["Kind", "Entries"], rows, "Nothing in this time.", icon="category")


def _days(found: Statistics) -> Table:
    rows = _counted(found.by_day, lambda one: display.nowrap(f"{one['day']:%a} {one['day'].day} {one['day']:%b}"))
    return Table("By day (UTC)", ["Day", "Entries"], rows, "Nothing in this time.", icon="calendar_month")


def _actors(found: Statistics) -> Table:
    rows = _counted(found.by_actor, _who)
    return Table("By whom", ["Who", "Entries"], rows, "Nobody in this time.", icon="group")


def _actions(found: Statistics) -> Table:
    rows = _counted(found.by_action, lambda one: one["name"])
    return Table("By action", ["Action", "Entries"], rows, "Nothing in this time.", icon="bolt")


def _counted(found: Sequence[dict[str, Any]], name: Callable[[dict[str, Any]], Any]) -> list[list[Any]]:
    highest = max((one["count"] for one in found), default=1)
    return [[name(one), _bar(one["count"], highest)] for one in found]


def _who(one: dict[str, Any]) -> str:
    name, kind = one["actor_name"], one["actor_kind"]
    return str(name if kind == PERSON else f"{name} ({kind})")


def _bar(count: int, highest: int) -> SafeString:
    """Return a number with a bar of its size beside it; the bar is an image to the eye alone."""
    number = f"{count:,}"
    meter = '<meter class="op-bar" min="0" max="{}" value="{}" aria-hidden="true"></meter>'
    return format_html("<span class='op-counted'><span>{}</span>" + meter + "</span>", number, highest, count)
