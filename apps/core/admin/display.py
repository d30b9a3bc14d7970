"""How values look on a page. Everything here escapes what it is given."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import wraps
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

NOTHING = "–"
#: A name no longer than this stays on one line; else a narrow column would break ``robot-1`` at its hyphen.
SHORT_NAME = 20
Column = Callable[[Any], Any]
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d:\d\d")


class Tone(StrEnum):
    """What a colour means here."""

    GOOD = "good"
    BAD = "bad"
    BUSY = "busy"
    CARE = "care"
    CALM = "calm"


@dataclass(frozen=True, slots=True)
class Chip:
    """A link above a list that narrows it by one press."""

    text: str
    address: str
    is_on: bool = False


def chips(request: HttpRequest, name: str, choices: Iterable[tuple[str, str]], *, default: str = "") -> list[Chip]:
    """Return one link for each value of a filter, which keeps the list's other filters."""
    now = request.GET.get(name, default)
    found = []
    for value, text in choices:
        query = request.GET.copy()
        query.pop("p", None)
        query[name] = value
        if value == default:
            del query[name]
        found.append(Chip(str(text).capitalize(), f"?{query.urlencode()}", now == value))
    return found


def badge(text: Any, tone: str = Tone.CALM, *, title: str = "") -> SafeString:
    """Return a small coloured label."""
    return format_html('<span class="op-badge op-{}" title="{}">{}</span>', tone, title, text)


def badges(texts: Iterable[Any], tone: str = Tone.CALM) -> SafeString | str:
    """Return one label for each text."""
    marked = format_html_join(" ", '<span class="op-badge op-tag op-{}">{}</span>', ((tone, text) for text in texts))
    return format_html('<span class="op-badges">{}</span>', marked) if marked else NOTHING


def moment(value: datetime | None) -> SafeString | str:
    """Return a time in the reader's zone, which the tooltip names."""
    if value is None:
        return NOTHING
    here = timezone.localtime(value)
    now = timezone.localtime()
    this_year = "%d %b %H:%M" if here.year == now.year else "%d %b %Y"
    shown = here.strftime("%H:%M:%S" if here.date() == now.date() else this_year)
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), exactly(value), shown)


def exactly(value: datetime) -> str:
    """Return a time in the reader's zone with its day, its second and its zone."""
    here = timezone.localtime(value)
    return here.strftime("%A %d %B %Y, %H:%M:%S ") + str(here.tzinfo)


def in_local_time(text: str) -> str:
    """Return a sentence of the domain with each moment in it as its reader's clock shows it."""
    return _MOMENT.sub(lambda found: exactly(datetime.fromisoformat(found.group())), text)


def ago(value: datetime | None) -> SafeString | str:
    """Return how long ago a time was, in its largest unit; the tooltip says when exactly."""
    if value is None:
        return NOTHING
    title = exactly(value)
    age = timezone.now() - value
    text = "just now" if abs(age) < timedelta(seconds=1) else f"{length(abs(age))} ago"
    if age < timedelta(0) and text != "just now":
        text = f"in {length(-age)}"
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), title, text)


def length(value: timedelta | float | None) -> str:
    """Return a span of time (a number means seconds) in its two largest units."""
    if value is None:
        return NOTHING
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    parts, rest = [], round(seconds)
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def bytes_as_text(count: int | None) -> str:
    """Return a number of bytes in the unit that suits it."""
    if count is None:
        return NOTHING
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def as_json(value: Any) -> str:
    """Return a value as people read JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def nowrap(text: Any) -> SafeString:
    """Return a short text that is not to be broken over lines."""
    return format_html('<span class="op-nowrap">{}</span>', text)


def mono(text: Any) -> SafeString | str:
    """Return an id, a hash or a path in letters of one width."""
    return format_html('<span class="op-mono">{}</span>', text) if text else NOTHING


def short(identity: Any) -> str:
    """Return enough of an id to tell it from its neighbours: the end, as ids made together begin alike."""
    text = str(identity)
    return f"…{text[-8:]}"


def page_of(row: Model | None) -> str:
    """Return the address of a row's page; empty where it has none."""
    if row is None:
        return ""
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""


def list_of(model: type[Model], **query: Any) -> str:
    """Return the address of a model's list, narrowed by ``query``."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{'&'.join(f'{name}={value}' for name, value in query.items())}" if query else address


def link(row: Model | None, text: Any = None, *, may_open: bool = True) -> SafeString | str:
    """Return a link to a row's page, or only its name where the reader may not open it."""
    if row is None:
        return NOTHING
    text = str(row if text is None else text)
    address = page_of(row) if may_open else ""
    fit = " op-nowrap" if len(text) <= SHORT_NAME else ""
    return format_html('<a class="op-link{}" href="{}">{}</a>', fit, address, text) if address else text


def column(title: str, *, order: str | None = None) -> Callable[[Column], Column]:
    """Make a function of a row a column of a list."""
    return admin.display(description=title, ordering=order, empty_value=NOTHING)


def refreshing(shown: Column) -> Column:
    """Make a column one that a list brings up to date by itself (see ``OperatorAdmin.live_columns``)."""

    @wraps(shown)
    def marked(row: Any) -> SafeString:
        return format_html('<span id="{}-{}">{}</span>', shown.__name__, row.pk, shown(row))

    def answer(row: Any) -> SafeString:
        return format_html('<span id="{}-{}" hx-swap-oob="true">{}</span>', shown.__name__, row.pk, shown(row))

    both: Any = marked
    both.answer = answer
    return marked


def status(tones: Mapping[str, str], *, field: str = "status", title: str = "Status") -> Column:
    """Return the column of a state as a badge."""

    @column(title)
    def shown(row: Any) -> SafeString:
        return badge(getattr(row, f"get_{field}_display")(), tones.get(getattr(row, field), Tone.CALM))

    return shown


def when(field: str, title: str, *, order: bool = False) -> Column:
    """Return the column of a time."""

    @column(title, order=field if order else None)
    def shown(row: Any) -> SafeString | str:
        return moment(getattr(row, field))

    return shown


def linked(field: str, title: str) -> Column:
    """Return the column of another row: a link for whoever may open it (see ``OperatorAdmin.linked_rows``)."""

    @column(title)
    def shown(row: Any) -> SafeString | str:
        return link(getattr(row, field), may_open=getattr(row, f"may_open_{field}", True))

    return shown
