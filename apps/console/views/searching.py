"""The command palette: pages and rows by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest

from apps.console.views import navigation
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.site import OperatorSite
from apps.core.api.callers import actor_of
from apps.jobs.models import Execution, Job
from apps.packages.models import Package
from apps.processes.models import Process
from apps.queues.models import FileStore, Queue, QueueItem
from apps.robots.models import EnrolmentKey, Machine, Robot
from apps.triggers.models import Calendar, Trigger

#: How many rows of each kind are shown, and how short a search is answered at all.
MOST_OF_EACH, SHORTEST = 5, 2

_BY_NAME: tuple[tuple[Any, str], ...] = (
    (Process, "account_tree"),
    (Package, "deployed_code"),
    (Trigger, "alarm"),
    (Calendar, "calendar_month"),
    (Queue, "inbox"),
    (FileStore, "folder_open"),
    (Robot, "smart_toy"),
    (Machine, "computer"),
    (EnrolmentKey, "vpn_key"),
)
_BY_ID: tuple[tuple[Any, str], ...] = (
    (Job, "play_circle"),
    (Execution, "history"),
    (QueueItem, "list_alt"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One answer of the palette."""

    title: str
    description: str
    link: str
    icon: str


def find(request: HttpRequest, site: OperatorSite, text: str) -> list[Found]:
    """Return what the person may open and whose name holds ``text``, or whose id it is."""
    wanted = text.strip()
    if len(wanted) < SHORTEST:
        return []
    actor = actor_of(request)
    rows = [*_rows_named(actor, wanted), *_items_referenced(actor, wanted), *_rows_with_id(actor, wanted)]
    return [*_pages(request, wanted), *rows]


def _pages(request: HttpRequest, wanted: str) -> list[Found]:
    return [
        Found(place.title, title or "Page", navigation.address_of(place), place.icon)
        for title, places in navigation.GROUPS
        for place in navigation.open_places(request, places)
        if wanted.lower() in place.title.lower()
    ]


def _rows_named(actor: Actor, wanted: str) -> list[Found]:
    return [
        _found(row, icon)
        for model, icon in _BY_NAME
        for row in model.objects.visible_to(actor).alive().filter(name__icontains=wanted)[:MOST_OF_EACH]
    ]


def _items_referenced(actor: Actor, wanted: str) -> list[Found]:
    """Return the newest items of that reference: it is looked up as a whole, as no index knows parts of it."""
    items = QueueItem.objects.visible_to(actor).alive().referenced(wanted, actor)
    return [_found(item, "list_alt") for item in items.only("reference").order_by("-pk")[:MOST_OF_EACH]]


def _rows_with_id(actor: Actor, wanted: str) -> list[Found]:
    try:
        identity = UUID(wanted)
    except ValueError:
        return []
    queries: list[tuple[QuerySet[Any], str]] = [(model.objects.visible_to(actor), icon) for model, icon in _BY_ID]
    return [_found(row, icon) for rows, icon in queries for row in rows.filter(pk=identity)]


def _found(row: Any, icon: str) -> Found:
    return Found(str(row), str(row._meta.verbose_name).capitalize(), display.page_of(row), icon)
