"""Making and changing calendars, and taking over those of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, Problem
from apps.events import services as events
from apps.rbac import services as rbac
from apps.tenancy.models import Folder
from apps.triggers.models import Calendar, CalendarRule, RuleKind
from apps.triggers.rules import icalendars, schedules
from apps.triggers.rules.icalendars import BadCalendar
from apps.triggers.rules.schedules import BadSchedule

MOST_RULES = 2_000
_RULE_FIELDS = ("kind", "label", "weekdays", "begins", "ends", "first_at", "last_at", "every_year")

Rules = Sequence[Mapping[str, Any]]
"""Each of ``kind``, ``label``, ``weekdays``, ``begins``, ``ends``, ``first_at``, ``last_at`` and ``every_year``.

Moments are wall-clock time: without a zone, or with one that is left out of account.
"""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: how many rules it made, and each event that was left out or cut short, and why."""

    rules: int
    problems: list[tuple[str, str]]


@transaction.atomic
def create_calendar(
    folder: Folder, *, actor: Actor, name: str, description: str = "", time_zone: str = "UTC", rules: Rules = ()
) -> Calendar:
    """Make a calendar in ``folder``. Raises ``Invalid`` naming each wrong field, and ``Conflict``."""
    rbac.require(actor, "triggers.add_calendar", folder)
    calendar = Calendar(folder=folder, tenant_id=folder.tenant_id)
    _save(calendar, name=name, description=description, time_zone=time_zone)
    _store(_checked(calendar, rules))
    audit.record(actor, "calendar.created", calendar, after=_facts(calendar))
    events.record("calendar.created", calendar)
    return calendar


@transaction.atomic
def update_calendar(calendar: Calendar, *, actor: Actor, rules: Rules | None = None, **fields: Any) -> Calendar:
    """Change name, description or time zone; ``rules``, where given, replace all there are. Raises as making one."""
    rbac.require(actor, "triggers.change_calendar", calendar)
    _lock(calendar)
    before = _facts(calendar)
    _save(calendar, **fields)
    if rules is not None:
        fresh = _checked(calendar, rules)
        calendar.rules.all().delete()
        _store(fresh)
    audit.record(actor, "calendar.updated", calendar, before=before, after=_facts(calendar))
    events.record("calendar.updated", calendar)
    return calendar


@transaction.atomic
def add_rule(calendar: Calendar, *, actor: Actor, **rule: Any) -> CalendarRule:
    """Add one stretch of silence, with the fields of one of ``Rules``. Raises ``Invalid`` naming each wrong one."""
    rbac.require(actor, "triggers.change_calendar", calendar)
    _lock(calendar)
    if calendar.rules.count() >= MOST_RULES:
        raise Conflict(f"A calendar has at most {MOST_RULES} rules. Remove some first.", code="too_many_rules")
    before = _facts(calendar)
    made = CalendarRule(calendar=calendar, tenant_id=calendar.tenant_id, **_settable(rule))
    if problems := _problems_of(made, ""):
        raise Invalid("; ".join(f"{one.field}: {one.message}" for one in problems), problems=problems)
    _store([made])
    audit.record(actor, "calendar.updated", calendar, before=before, after=_facts(calendar))
    events.record("calendar.updated", calendar)
    return made


@transaction.atomic
def remove_rules(calendar: Calendar, *, actor: Actor, rules: Sequence[CalendarRule]) -> Calendar:
    """Take stretches of silence out of a calendar; those of another one stay."""
    rbac.require(actor, "triggers.change_calendar", calendar)
    _lock(calendar)
    before = _facts(calendar)
    calendar.rules.filter(pk__in=[rule.pk for rule in rules]).delete()
    audit.record(actor, "calendar.updated", calendar, before=before, after=_facts(calendar))
    events.record("calendar.updated", calendar)
    return calendar


@transaction.atomic
def import_calendar(calendar: Calendar, *, actor: Actor, text: str) -> Imported:
    """Take over the events of an iCalendar file in place of those that were taken over before.

    Rules made by hand stay. Events that cannot be read are left out and named. Raises ``Invalid`` where the text is no
    iCalendar or nothing of it can be read.
    """
    rbac.require(actor, "triggers.change_calendar", calendar)
    _lock(calendar)
    try:
        zone = schedules.zone_of(calendar.time_zone)
        reading = icalendars.read(text, zone=zone, today=datetime.now(zone).date())
    except BadCalendar as bad:
        raise Invalid.field("text", str(bad)) from bad
    if not reading.stretches:
        told = "; ".join(f"“{name}”: {why}" for name, why in reading.problems[:10]) or "it has no events."
        raise Invalid.field("text", f"nothing of it can be taken over: {told}")
    fresh = _checked(calendar, [asdict(stretch) for stretch in reading.stretches], field="text")
    calendar.rules.exclude(uid="").delete()
    _store(fresh)
    told_of = {"rules": len(fresh), "left_out": len(reading.problems)}
    audit.record(actor, "calendar.imported", calendar, after=told_of)
    events.record("calendar.updated", calendar)
    return Imported(len(fresh), reading.problems)


@transaction.atomic
def delete_calendar(calendar: Calendar, *, actor: Actor) -> None:
    """Take a calendar out of every list. Raises ``Conflict`` while a trigger heeds it."""
    rbac.require(actor, "triggers.delete_calendar", calendar)
    _lock(calendar)
    if heeding := calendar.triggers.alive().first():
        told = f"The trigger “{heeding}” heeds this calendar. Give it another one, or none."
        raise Conflict(told, code="in_use", trigger=str(heeding.pk))
    Calendar.objects.filter(pk=calendar.pk).update(deleted_at=Now())
    audit.record(actor, "calendar.deleted", calendar, before=_facts(calendar))
    events.record("calendar.deleted", calendar)


def _lock(calendar: Calendar) -> None:
    calendar.refresh_from_db(from_queryset=Calendar.objects.select_for_update(of=("self",)))
    if calendar.deleted_at is not None:
        raise Conflict("The calendar was deleted.", code="calendar_deleted")


def _facts(calendar: Calendar) -> dict[str, Any]:
    return {
        "name": calendar.name,
        "description": calendar.description,
        "time_zone": calendar.time_zone,
        "rules": [str(rule) for rule in calendar.rules.order_by("pk")[:100]],
    }


def _save(calendar: Calendar, **fields: Any) -> None:
    if unknown := sorted(set(fields) - {"name", "description", "time_zone"}):
        raise Invalid("Unknown fields.", problems=[Problem(name, "is not a field.") for name in unknown])
    for name, value in fields.items():
        setattr(calendar, name, value)
    calendar.name = calendar.name.strip()
    try:
        schedules.zone_of(calendar.time_zone)
        calendar.clean_fields(exclude=["folder", "tenant"])
        with transaction.atomic():
            calendar.save()
    except BadSchedule as bad:
        raise Invalid.field("time_zone", str(bad)) from bad
    except ValidationError as error:
        raise Invalid(str(error), problems=list(_problems_in(error, ""))) from error
    except IntegrityError as error:
        if "calendar_name_free" not in str(error):
            raise
        told = f"The folder has a calendar “{calendar.name}” already."
        raise Conflict(told, code="name_taken", field="name") from error


def _problems_in(error: ValidationError, prefix: str) -> list[Problem]:
    return [Problem(prefix + field, text) for field, texts in error.message_dict.items() for text in texts]


def _checked(calendar: Calendar, rules: Rules, *, field: str = "rules") -> list[CalendarRule]:
    """Return unsaved rules. Raises ``Invalid`` naming each that is wrong."""
    if len(rules) > MOST_RULES:
        raise Invalid.field(field, f"at most {MOST_RULES} are taken.")
    made, problems = [], []
    for number, given in enumerate(rules):
        rule = CalendarRule(calendar=calendar, tenant_id=calendar.tenant_id, **_settable(given))
        found = _problems_of(rule, f"{field}[{number}].")
        problems += found
        made += [] if found else [rule]
    if problems:
        raise Invalid("; ".join(f"{one.field}: {one.message}" for one in problems[:10]), problems=problems)
    return made


def _settable(given: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: given[name] for name in (*_RULE_FIELDS, "uid") if given.get(name) is not None}
    return {name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in values.items()}


def _problems_of(rule: CalendarRule, prefix: str) -> list[Problem]:
    try:
        rule.clean_fields(exclude=["calendar", "tenant", "uid"])
    except ValidationError as error:
        return _problems_in(error, prefix)
    if rule.kind == RuleKind.WEEKLY:
        wrong = not rule.weekdays or any(day > 6 for day in rule.weekdays)
        return [Problem(f"{prefix}weekdays", "name days from 0 (Monday) to 6 (Sunday).")] if wrong else []
    if rule.first_at is None or rule.last_at is None:
        return [Problem(f"{prefix}first_at", "say from when on, and in last_at until when.", "required")]
    if rule.first_at.year < 1970 or rule.last_at.year >= 2200:
        return [Problem(f"{prefix}last_at", "must lie between 1970 and 2199, as the beginning must.")]
    if rule.first_at >= rule.last_at:
        return [Problem(f"{prefix}last_at", "must be later than first_at.")]
    return []


def _store(rules: Sequence[CalendarRule]) -> None:
    CalendarRule.objects.bulk_create(rules, batch_size=500)
