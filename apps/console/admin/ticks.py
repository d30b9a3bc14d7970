"""Pages of the ticks that wake the background work."""

from __future__ import annotations

import re

from celery import current_app
from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django_celery_beat.models import PeriodicTask

from apps.console import services
from apps.console.models import MOST_SECONDS, Tick
from apps.core.admin import display
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page

_FAMILY = "console.tick"


class ChangeForm(OperatorForm):
    """Asks how often, and whether at all."""

    seconds = forms.IntegerField(
        label="Every … seconds", required=False, min_value=1, max_value=MOST_SECONDS, help_text="Empty: as usual."
    )
    enabled = forms.BooleanField(
        label="On", required=False, help_text="While it is off, what it brings about does not happen by itself."
    )


def _says(tick: Tick) -> str:
    """Say what a tick brings about, in the words of its task."""
    current_app.loader.import_default_modules()
    # That of a Celery queue is one task for all of them, and names the queue.
    task = next((current_app.tasks[name] for name in (tick.name, _FAMILY) if name in current_app.tasks), None)
    said = task.__doc__ if task is not None else ""
    return re.split(r"[.;:]", (said or "").strip(), maxsplit=1)[0]


def _badge(tick: Tick) -> SafeString:
    if not tick.enabled:
        return display.badge("off", display.Tone.BAD)
    return display.badge("changed" if tick.seconds else "as usual")


@display.column("Every")
def every_column(tick: Tick) -> SafeString:
    """Show how often it comes."""
    return display.nowrap(display.length(tick.every))


@display.column("What it does")
def says_column(tick: Tick) -> str:
    """Show what it brings about."""
    return _says(tick)


@display.column("State")
def badge_column(tick: Tick) -> SafeString:
    """Show whether somebody changed it."""
    return _badge(tick)


@admin.register(Tick)
class TickAdmin(OperatorAdmin):
    """How often beat wakes each kind of background work."""

    list_display = ["name", says_column, every_column, badge_column]
    search_fields = ["name"]
    ordering = ["name"]
    sortable_by = ()
    list_per_page = 100
    empty_title = "No ticks yet"
    empty_text = "Beat writes them down when it starts: manage.py beat."
    empty_icon = "timer"
    operations = [
        Operation(
            name="change",
            title="Change",
            permission="console.change_tick",
            service=services.change_tick,
            form=ChangeForm,
            initial=lambda tick: {"seconds": tick.seconds, "enabled": tick.enabled},
            explain="Robots and jobs rely on sweeps and triggers that come every few seconds. Beat follows at once, "
            "and keeps to it when it is started again.",
            button="Save",
            icon="timer",
            done="The tick is changed.",
            is_main=True,
        ),
    ]

    def page(self, request: HttpRequest, row: Tick) -> Page:
        sent = PeriodicTask.objects.filter(name=row.name).first()
        facts = [
            ("What it does", _says(row)),
            ("Every", display.length(row.every)),
            ("Usually", display.length(row.usual_seconds)),
            ("Task", sent.task if sent else display.NOTHING),
            ("Sent last", display.moment(sent.last_run_at) if sent else display.NOTHING),
            ("Sent so far", sent.total_run_count if sent else 0),
            ("Id", row.pk),
        ]
        return Page(badges=[_badge(row)], main=[Facts("About it", facts)])
