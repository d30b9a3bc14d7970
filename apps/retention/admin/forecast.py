"""The page that says how much there is, and what goes when."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.configuration.models import Setting
from apps.configuration.rules import GROUPS
from apps.core.admin import display
from apps.core.admin.panels import Table
from apps.core.admin.site import OperatorSite
from apps.core.api.callers import actor_of
from apps.core.errors import NotAllowed
from apps.processes.models import Process
from apps.queues.models import Queue
from apps.rbac import services as rbac
from apps.retention.models import forecasts
from apps.retention.models.forecasts import AHEAD, Forecast
from apps.retention.models.kinds import ENABLED, GROUP

VIEW: Final = "retention.view_pruning"
#: So many rows each are shown of what says otherwise for its own.
MOST_SHOWN: Final = 50
_HEADINGS: Final = [
    "What",
    "Rows, about",
    "Size",
    "Kept for",
    "Oldest",
    "Oldest goes",
    f"Next {AHEAD} days",
    "Last run",
]


def page(site: OperatorSite, request: HttpRequest) -> HttpResponse:
    """Show sizes, forecasts and last runs, to whoever may look at the whole installation."""
    actor = actor_of(request)
    if not rbac.allows(actor, VIEW, rbac.EVERYWHERE):
        says = f"It takes the permission {VIEW} over the whole installation: ask an administrator for a role with it."
        raise NotAllowed(says, permission=VIEW, actor=actor)
    values = Setting.objects.in_force(GROUP)
    found = forecasts.forecast(values)
    context = {
        **site.each_context(request),
        "title": "What goes when",
        "is_enabled": values[ENABLED],
        "numbers": _numbers(found),
        "panels": [_table(found), _otherwise(), _beside()],
    }
    return TemplateResponse(request, "retention/forecast.html", context)


def _numbers(found: list[Forecast]) -> list[tuple[str, str]]:
    soon = sum(one.soon_bytes for one in found)
    place = next(one for one in [Path(settings.MEDIA_ROOT), *Path(settings.MEDIA_ROOT).parents] if one.exists())
    disk = shutil.disk_usage(place)
    return [
        ("The database takes", display.bytes_as_text(forecasts.database_bytes())),
        (f"Goes within {AHEAD} days, about", display.bytes_as_text(soon)),
        ("Free where files lie", f"{display.bytes_as_text(disk.free)} of {display.bytes_as_text(disk.total)}"),
    ]


def _table(found: list[Forecast]) -> Table:
    return Table("What there is, and what goes", _HEADINGS, [_row(one) for one in found], icon="auto_delete")


def _row(one: Forecast) -> list[Any]:
    soon = f"{one.soon_rows:,} · {display.bytes_as_text(one.soon_bytes)}" if one.soon_rows else "nothing"
    return [
        format_html("<strong>{}</strong><br><span class='op-faint'>{}</span>", one.kind.title, one.kind.says),
        f"{one.rows:,}",
        display.nowrap(display.bytes_as_text(one.size)),
        display.nowrap(_days(one.days)),
        display.moment(one.oldest_at),
        display.moment(one.goes_at),
        display.nowrap(soon),
        _last_run(one),
    ]


def _last_run(one: Forecast) -> SafeString | str:
    """Say what the last run over a kind did, or what stopped it."""
    state = one.pruning
    if state is None or state.last_run_at is None:
        return "never"
    what = f"{state.last_count:,} gone"
    if state.problem:
        return format_html(
            "{}<br>{} {}", display.ago(state.last_run_at), display.badge("stopped", "bad"), state.problem
        )
    if state.is_behind:
        return format_html("{}<br>{} {}", display.ago(state.last_run_at), display.badge("goes on", "busy"), what)
    return format_html("{}<br><span class='op-faint'>{}</span>", display.ago(state.last_run_at), what)


def _otherwise() -> Table:
    """Return who keeps things for another time than the installation says."""
    titles = {f"{GROUP}.{known.key}": known.title for known in GROUPS[GROUP].settings}
    own = Setting.objects.of_group(GROUPS[GROUP]).filter(tenant__isnull=False).select_related("tenant")
    rows: list[list[Any]] = [
        [f"Tenant {one.tenant}", titles[one.name], _days(one.value)]
        for one in own.order_by("tenant__name")[:MOST_SHOWN]
    ]
    for model, kind, what in ((Process, "Process", "Jobs"), (Queue, "Queue", "Items")):
        said = model._default_manager.filter(retention_days__isnull=False, deleted_at=None).select_related("tenant")
        rows += [
            [display.link(one, f"{kind} {one} of {one.tenant}"), what, _days(days)]
            for one in said.order_by("name")[:MOST_SHOWN]
            if (days := one.retention_days)
        ]
    empty = "Every tenant, process and queue keeps things as the installation says."
    return Table("Kept for another time", ["Where", "What", "Kept for"], rows, empty, icon="rule")


def _beside() -> Table:
    rows = [[one.title, f"{one.rows:,}", display.bytes_as_text(one.size), one.kept] for one in forecasts.beside()]
    return Table("Tidied up by itself", ["What", "Rows, about", "Size", "Kept for"], rows, icon="mop")


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days:,} days"
