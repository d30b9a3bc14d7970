"""What the form of a trigger says of it before it is saved: words, due times on two clocks, or the formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from apps.core.admin.panels import AnyPanel, Table, Text
from apps.core.errors import Invalid
from apps.queues.models import Queue
from apps.triggers.admin import firings, times
from apps.triggers.admin.trigger_forms import CONFIGURATION, TriggerForm
from apps.triggers.models import Trigger, TriggerKind
from apps.triggers.models.levels import level_of
from apps.triggers.models.previews import preview_of
from apps.triggers.rules import demand
from apps.triggers.rules.demand import BadWishes
from apps.triggers.services.kinds import KINDS

TIMES_SHOWN = 20


def context_of(form: TriggerForm) -> dict[str, Any]:
    """Return what the template shows of a form that was filled in, also where other parts of it are not right yet."""
    form.is_valid()
    values = form.cleaned_data
    configuration = values.get(CONFIGURATION) or form.configuration(values)
    if not form.is_of_time:
        return _of_queue(form.about, values.get("queue"), configuration)
    return _of_time(form, values, configuration)


def _of_time(form: TriggerForm, values: Mapping[str, Any], configuration: Mapping[str, Any]) -> dict[str, Any]:
    zone = values.get("time_zone") or "UTC"
    try:
        preview = preview_of(
            configuration,
            time_zone=zone,
            viewer_zone=times.viewer_zone(),
            starts_at=values.get("starts_at"),
            ends_at=values.get("ends_at"),
            calendar=values.get("calendar"),
            anchor=form.row.created_at if form.row is not None else None,
            count=TIMES_SHOWN,
        )
    except Invalid as invalid:
        return {"problems": _said(invalid)}
    panel = Table(
        f"The next {len(preview.times)} times",
        times.headings(zone, with_distance=False),
        times.rows(preview.times, with_distance=False),
    )
    return {"words": preview.words, "warnings": preview.warnings, "panel": panel if preview.times else None}


def _of_queue(trigger: Trigger, queue: Queue | None, configuration: Mapping[str, Any]) -> dict[str, Any]:
    try:
        words = preview_of(configuration, kind=TriggerKind.QUEUE).words
    except Invalid as invalid:
        return {"problems": _said(invalid)}
    if queue is None:
        return {"words": words, "problems": ["Choose a queue, and you see what would be started now."]}
    paused = ["The queue is paused, so it would start nothing."] if queue.paused else []
    return {"words": words, "warnings": paused, "panel": present(trigger, queue, configuration)}


def present(trigger: Trigger, queue: Queue, configuration: Mapping[str, Any]) -> AnyPanel:
    """Return the formula with its present numbers, of a configuration that is sound."""
    wishes = demand.read(configuration)
    now = timezone.now()
    known = (
        KINDS[TriggerKind.QUEUE].facts_of([trigger], now=now).get(trigger.pk) if _is_its_own(trigger, queue) else None
    )
    level = known.level if known is not None else level_of(queue, now=now)
    decided = demand.demand(level, wishes)
    return firings.formula(asdict(level), asdict(wishes), decided.because, decided.start)


def present_or_why_not(trigger: Trigger, queue: Queue) -> AnyPanel:
    """Return the formula of a trigger that is there, or what is wrong with its numbers."""
    try:
        return present(trigger, queue, trigger.configuration)
    except BadWishes as bad:
        return Text("The numbers it is decided by", str(bad), is_bad=True, icon="calculate")


def _is_its_own(trigger: Trigger, queue: Queue) -> bool:
    """Say whether a trigger works on a queue already: then the jobs it has there count."""
    return trigger.queue_id == queue.pk


def _said(invalid: Invalid) -> list[str]:
    return [f"{problem.message[:1].upper()}{problem.message[1:]}" for problem in invalid.problems] or [str(invalid)]
