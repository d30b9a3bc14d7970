"""What the page of an API key shows: how far it reaches, and how it is used."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import ApiToken
from apps.core.admin import charts, display
from apps.core.admin.panels import AnyPanel, Facts, Panel, Table

SHOWN_DAYS: Final = 30


def facts_panel(key: ApiToken) -> Facts:
    """Return what there is to know about a key."""
    rows: list[tuple[str, Any]] = [
        ("Key", key.shown_as),
        ("User", key.user),
        ("Tenant", key.tenant),
        ("Works until", display.moment(key.expires_at) if key.expires_at else "it is revoked"),
        ("Last used", display.moment(key.last_used_at)),
        ("Used", f"{key.use_count:,} times"),
        ("Made", display.moment(key.created_at)),
    ]
    if key.rotated_at is not None:
        rows.append(("New text", display.moment(key.rotated_at)))
    if key.former_until is not None and key.former_until > timezone.now():
        rows.append(("Text before works until", display.moment(key.former_until)))
    if key.revoked_at is not None:
        rows.append(("Revoked", display.moment(key.revoked_at)))
    return Facts("About it", rows)


def reach_panel(key: ApiToken) -> Facts:
    """Return what the key may of what its user may."""
    folders = sorted(folder.name for folder in key.bound_folders.all()) if key.in_folders else []
    narrowed = ", ".join(folders) or "none: those it worked in are gone"
    rows: list[tuple[str, Any]] = [
        ("May", f"all that {key.user} may" if key.scopes is None else ", ".join(key.scopes)),
        ("In", narrowed if key.in_folders else f"all of {key.tenant}"),
        ("From", ", ".join(key.networks) or "any network"),
    ]
    return Facts("How far it reaches", rows, icon="frame_inspect")


def usage_panels(key: ApiToken) -> list[AnyPanel]:
    """Return the uses by day and by network address."""
    usage = services.usage_of(key)
    rows = [
        [address or "other addresses", f"{count:,}", f"{last:%Y-%m-%d}"] for address, count, last in usage.addresses
    ]
    empty = f"It was not used in the last {services.KEPT_DAYS} days."
    headings = ["Address", "Uses", "Last on (UTC)"]
    return [_by_day(usage), Table(f"From where, in {services.KEPT_DAYS} days", headings, rows, empty, icon="lan")]


def _by_day(usage: services.Usage) -> Panel:
    axis = charts.Axis.until_now(timedelta(days=SHOWN_DAYS), timedelta(days=1))
    counts = [(datetime.combine(day, time(), UTC), float(count)) for day, count in usage.days]
    series = axis.sums(counts)
    chart = charts.draw("Uses", series, top=4, shown="{:,.0f}".format) if any(series) else None
    first = axis.begins.astimezone(UTC)
    quarter = timedelta(days=SHOWN_DAYS) / charts.MARKS
    context = {
        "charts": [chart] if chart else [],
        "marks": [*(f"{first + quarter * part:%d %b}" for part in range(charts.MARKS)), "today"],
        "note": "Uses on each day, by UTC. What is counted is written every few seconds.",
        "empty": f"It was not used in the last {SHOWN_DAYS} days.",
    }
    return Panel(f"Uses in the last {SHOWN_DAYS} days", charts.TEMPLATE, context, icon="monitoring")
