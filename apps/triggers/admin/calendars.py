"""Pages of calendars."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.filters import RelatedFilter
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Panel, Table
from apps.triggers import services
from apps.triggers.admin import calendar_forms, months, states
from apps.triggers.models import Calendar, CalendarRule, Trigger
from apps.triggers.services import Imported

#: So many rules, and so many triggers, does the page of a calendar list.
MOST_SHOWN = 50


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[Calendar, None]:
    return services.create_calendar(asked.pop("folder"), actor=actor, **asked), None


def _change(calendar: Calendar, *, actor: Actor, **asked: Any) -> Calendar:
    return services.update_calendar(calendar, actor=actor, **asked)


def _add(calendar: Calendar, *, actor: Actor, **rule: Any) -> CalendarRule:
    return services.add_rule(calendar, actor=actor, **rule)


def _adding(name: str, title: str, form: type[Any], explain: str, icon: str) -> Operation:
    """Return the operation that adds a rule of one kind."""
    return Operation(
        name=name,
        title=title,
        permission="triggers.change_calendar",
        service=_add,
        explain=explain,
        form=form,
        icon=icon,
        button="Add",
        done="It is silent then.",
        is_main=True,
    )


OPERATIONS = (
    _adding(
        "weekly",
        "Add weekly hours",
        calendar_forms.WeeklyForm,
        "The same days of every week, all day or for some hours.",
        "date_range",
    ),
    _adding("days", "Add days", calendar_forms.DaysForm, "Whole days, once or every year, such as holidays.", "event"),
    _adding(
        "period",
        "Add a black-out",
        calendar_forms.PeriodForm,
        "From one moment up to another, such as while a system is moved.",
        "event_busy",
    ),
    Operation(
        name="import",
        title="Import a file",
        permission="triggers.change_calendar",
        service=services.import_calendar,
        explain="Takes over the events of an iCalendar file in place of those taken over before. Rules made by hand "
        "stay. What comes again is worked out, from a year back to five years ahead.",
        form=calendar_forms.ImportForm,
        icon="upload_file",
        is_main=True,
    ),
    Operation(
        name="edit",
        title="Edit",
        permission="triggers.change_calendar",
        service=_change,
        explain="In another time zone the same days and hours are meant by the clocks there.",
        form=calendar_forms.CalendarForm,
        initial=lambda calendar: {name: getattr(calendar, name) for name in ("name", "description", "time_zone")},
        icon="edit",
        button="Save",
        done="The calendar is changed.",
    ),
    Operation(
        name="remove",
        title="Remove rules",
        permission="triggers.change_calendar",
        service=services.remove_rules,
        explain="Triggers fire then from now on.",
        form=calendar_forms.RemoveForm,
        icon="event_available",
        done="They are removed.",
        applies=lambda calendar: calendar.rules.exists(),
    ),
    Operation(
        name="delete",
        title="Delete",
        permission="triggers.delete_calendar",
        service=services.delete_calendar,
        explain="It goes out of every list. Refused while a trigger heeds it.",
        icon="delete",
        tone="danger",
        done="The calendar is deleted.",
        ends_row=True,
    ),
)


@admin.register(Calendar)
class CalendarAdmin(OperatorAdmin):
    """When triggers stay silent."""

    list_display = [
        "name",
        "time_zone",
        display.column("Rules")(lambda calendar: calendar.rules_made),
        display.column("Triggers that heed it")(lambda calendar: calendar.heeding or display.NOTHING),
        display.linked("folder", "Folder"),
        display.linked("tenant", "Tenant"),
    ]
    list_filter = [("folder", RelatedFilter), ("tenant", RelatedFilter)]
    list_select_related = ["folder", "tenant"]
    linked_rows = ["folder", "tenant"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    empty_title = "No calendars yet"
    empty_text = (
        "A calendar says on which days and hours the triggers that heed it stay silent: weekends, holidays, black-outs."
    )
    empty_icon = "calendar_month"
    creation = Creation(
        title="Add a calendar",
        permission="triggers.add_calendar",
        form=calendar_forms.NewCalendarForm,
        make=_make,
        icon="calendar_add_on",
    )
    operations = OPERATIONS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add how many rules each has, and how many triggers of those the reader may see heed it."""
        seen = Trigger.objects.alive().visible_to(self.actor(request)).order_by()
        counts = {
            "rules_made": _count(CalendarRule.objects.filter(calendar=OuterRef("pk")).order_by()),
            "heeding": _count(seen.filter(calendar=OuterRef("pk"))),
        }
        rows: QuerySet[Any] = super().get_queryset(request).annotate(**counts)
        return rows

    def after(self, request: HttpRequest, operation: Operation, row: Any, result: Any) -> HttpResponseBase:
        """Say of a file that was taken over what came in, and what did not and why."""
        if not isinstance(result, Imported):
            return super().after(request, operation, row, result)
        context = {"imported": result, "title": "Import a file"}
        return self.render(request, "triggers/imported.html", row, **context)

    def page(self, request: HttpRequest, row: Calendar) -> Page:
        actor, link = self.actor(request), self.links(request)
        month = months.context_of(row, request.GET.get("month", ""))
        facts = [
            ("Time zone", row.time_zone),
            ("Folder", link(row.folder)),
            ("Tenant", link(row.tenant)),
            ("Made", display.moment(row.created_at)),
            ("Id", row.pk),
        ]
        return Page(
            badges=[display.badge("deleted", "bad")] if row.deleted_at is not None else [],
            lead=row.description,
            main=[Panel("Month", "triggers/month.html", month, icon="calendar_month", anchor="month"), _rules(row)],
            side=[_used_by(row, actor), Facts("About it", facts)],
        )


def _count(rows: QuerySet[Any]) -> Any:
    counted = rows.values("calendar").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def _rules(calendar: Calendar) -> Table:
    found = list(calendar.rules.order_by("uid", "pk")[: MOST_SHOWN + 1])
    rows = [
        [str(rule), calendar_forms.when(rule), "taken over" if rule.is_imported else "by hand"]
        for rule in found[:MOST_SHOWN]
    ]
    if len(found) > MOST_SHOWN:
        rows.append([f"and {calendar.rules.count() - MOST_SHOWN} more", "", ""])
    empty = "It is never silent yet: add days or hours, or import a file."
    return Table("Rules", ["What", "When", "Made"], rows, empty, icon="rule")


def _used_by(calendar: Calendar, actor: Actor) -> Table:
    triggers = Trigger.objects.alive().visible_to(actor).filter(calendar=calendar).select_related("queue")
    rows = [[display.link(trigger), states.badge_of(trigger)] for trigger in triggers.order_by("name")[:MOST_SHOWN]]
    more = (display.list_of(Trigger, calendar__id__exact=calendar.pk), "All of them") if rows else None
    empty = "No trigger that you may see heeds it yet. Choose it in the form of one."
    return Table("Used by", ["Trigger", ""], rows, empty, more, icon="alarm")
