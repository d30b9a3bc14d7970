"""Changing every job that matches a list's filters: counted first, then worked off in the background."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.filters import WindowFilter
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Creation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Panel
from apps.core.bulk import BulkRequest
from apps.jobs import services
from apps.jobs.admin import states
from apps.jobs.models import BulkAction, BulkChange, Job, JobStatus
from apps.jobs.services.creating import HIGHEST_PRIORITY, LOWEST_PRIORITY
from apps.processes.models import Process
from apps.tenancy.models import Folder, Tenant

_IGNORED = {"tenant__id__exact", "since", "p", "o", "e"}


@dataclass(frozen=True, slots=True)
class Followed:
    """How far a bulk change can follow the filters of a list."""

    model: type[Model]
    #: Parameters of the list, and the filters of a bulk change that they are.
    keys: Mapping[str, str]
    #: Parameters that name a row, which has a tenant, and how that is said.
    places: Sequence[tuple[str, type[Model], str]]
    statuses: Mapping[str, str]
    #: Filters that a bulk change cannot follow, in words, and those that it can.
    in_words: Mapping[str, str]
    followed: str
    default_window: Callable[[HttpRequest], str] = lambda request: WindowFilter.default

    @property
    def noun(self) -> str:
        """What the list is of."""
        return str(self.model._meta.verbose_name_plural)

    @property
    def address(self) -> str:
        """Return the address of the list."""
        return reverse(f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}_changelist")


JOBS = Followed(
    model=Job,
    keys={"status__exact": "status", "process__id__exact": "process", "folder__id__exact": "folder"},
    places=(("process__id__exact", Process, "of"), ("folder__id__exact", Folder, "in the folder")),
    statuses=dict(JobStatus.choices),
    in_words={"q": "the search", "kind__exact": "the kind"},
    followed="status, process, folder, tenant or time",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list showed, in terms of a bulk change: its tenant, its filters, and the filters in words."""

    tenant: Tenant | None
    tenants: list[Tenant]
    filters: dict[str, Any]
    words: list[str]
    #: Filters of the list that a bulk change has no word for.
    left_out: list[str]
    followed: Followed = JOBS

    @property
    def is_clear(self) -> bool:
        """Whether it says of which rows it is."""
        return self.tenant is not None and not self.left_out


class BulkForm(OperatorForm):
    """Asks what shall be done to all of them."""

    action = forms.ChoiceField(choices=BulkAction.choices, widget=forms.RadioSelect, label="Do what?")
    priority = forms.IntegerField(
        required=False, min_value=LOWEST_PRIORITY, max_value=HIGHEST_PRIORITY, help_text="Only to change the priority."
    )
    reason = forms.CharField(required=False, max_length=500, help_text="Optional. It is kept in the audit trail.")

    def offer(self) -> None:
        """Say beside each action how many jobs it would concern."""
        if self.place is None:
            return
        asked: Asked = self.place
        field: Any = self.fields["action"]
        field.choices = [(action.value, _counted(asked, action, self.actor)) for action in BulkAction]

    def clean(self) -> dict[str, Any]:
        """Add what the list showed."""
        values = super().clean() or self.cleaned_data
        if values.get("action") != BulkAction.PRIORITISE:
            values["priority"] = None
        return {**values, "asked": self.place}


def _make(actor: Actor, values: dict[str, Any]) -> tuple[BulkChange, None]:
    asked: Asked = values.pop("asked")
    action = BulkAction(values.pop("action"))
    change = services.request_bulk_change(asked.tenant, actor=actor, action=action, filters=asked.filters, **values)  # type: ignore[arg-type]
    return change, None


def _counted(asked: Asked, action: BulkAction, actor: Actor) -> str:
    if asked.tenant is None:
        return str(action.label).capitalize()
    jobs = Job.objects.changeable(asked.tenant.pk, actor=actor, action=action, filters=asked.filters)
    count = jobs.count()
    return f"{str(action.label).capitalize()}: {count} job{'' if count == 1 else 's'}"


class BulkAdmin(OperatorAdmin):
    """Requests to change many rows at once, and how far they are."""

    followed: ClassVar[Followed]
    permissions: ClassVar[Sequence[str]]

    list_display = [
        display.column("What")(lambda change: change.get_action_display()),
        display.status(states.BULK),
        "expected",
        "done",
        "refused",
        display.linked("tenant", "Tenant"),
        display.when("created_at", "Asked for"),
    ]
    list_select_related = ["tenant", "requested_by"]
    linked_rows = ["tenant"]
    ordering = ["-id"]
    sortable_by = ()
    empty_title = "Nothing was changed in bulk yet"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return any(self.admin_site.holds(request, permission) for permission in self.permissions)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        request.asked = asked = asked_by(request, self.actor(request), self.followed)  # type: ignore[attr-defined]
        if self.has_add_permission(request) and not asked.is_clear:
            return self.render(
                request, "jobs/bulk_unclear.html", asked=asked, creation=self.creation, title="Change all that match"
            )
        return super().add_view(request, form_url, extra_context)

    def _form(self, request: HttpRequest, form: type[OperatorForm], **about: Any) -> OperatorForm:
        return super()._form(request, form, place=getattr(request, "asked", None), **about)

    def is_live(self, row: BulkRequest) -> bool:
        return not row.is_final

    def title_of(self, row: Any) -> str:
        noun = self.followed.model._meta.verbose_name if row.expected == 1 else self.followed.noun
        return f"{str(row.get_action_display()).capitalize()} {row.expected} {noun}"

    def facts_of(self, row: Any) -> list[tuple[str, Any]]:
        """Return what an action was told beside the rest."""
        return [("Priority", row.priority)]

    def page(self, request: HttpRequest, row: Any) -> Page:
        progress = {
            "done": row.done,
            "refused": row.refused,
            "expected": row.expected,
            "handled": min(row.handled, row.expected),
        }
        facts = [
            ("Tenant", self.links(request)(row.tenant)),
            ("Asked for by", row.requested_by or "somebody who is gone"),
            ("Asked for", display.moment(row.created_at)),
            ("Ended", display.moment(row.finished_at)),
            *self.facts_of(row),
            ("Reason", row.reason or display.NOTHING),
            ("Filters", display.mono(display.as_json(row.filters))),
        ]
        return Page(
            badges=[display.badge(row.get_status_display(), states.BULK[row.status])],
            notices=[row.problem] if row.problem else [],
            main=[Panel("Progress", "jobs/bulk_progress.html", progress, icon="hourglass_top")],
            side=[Facts("About it", facts)],
        )


@admin.register(BulkChange)
class BulkChangeAdmin(BulkAdmin):
    """Requests to change many jobs at once, and how far they are."""

    followed = JOBS
    permissions = [action.permission for action in BulkAction]
    view_permission = "jobs.view_job"
    empty_text = "Narrow the list of jobs by filters, then press “Change all that match”."
    creation = Creation(
        title="Change all that match",
        permission="jobs.cancel_job",
        form=BulkForm,
        make=_make,
        button="Start",
        icon="playlist_add_check",
        explain="It is worked off in the background. Jobs made after you press the button are left alone.",
        template="jobs/bulk.html",
    )


def asked_by(request: HttpRequest, actor: Actor, followed: Followed) -> Asked:
    """Read the filters of a list out of the address."""
    given = {name: str(value) for name, value in request.GET.items() if value}
    filters: dict[str, Any] = {to: [given[name].strip()] for name, to in followed.keys.items() if name in given}
    since = given.get("since", followed.default_window(request))
    window, in_words = next(((one, text) for name, text, one in WindowFilter.windows if name == since), (None, ""))
    if window is not None:
        filters["created_after"] = (timezone.now() - window).isoformat()
    left_out = [followed.in_words.get(name, name) for name in given if not _can_follow(name, given[name], followed)]
    tenants = list(Tenant.objects.visible_to(actor)[:50])
    tenant = _tenant(given, tenants, actor, followed)
    words = [*_words(given, tenant, actor, followed), *([f"made in the {in_words.lower()}"] if window else [])]
    return Asked(tenant, tenants, filters, words, left_out, followed)


def _can_follow(name: str, value: str, followed: Followed) -> bool:
    if any(name == place for place, *_ in followed.places):
        return _as_id(value) is not None
    return name in followed.keys or name in _IGNORED


def _tenant(given: Mapping[str, str], tenants: list[Tenant], actor: Actor, followed: Followed) -> Tenant | None:
    """Return the tenant that is meant: the one filtered by, that of a row that is named, or the only one there is."""
    for name, model, _ in followed.places:
        row: Any = _row(model, given.get(name, ""), actor)
        if row is not None:
            return row.tenant  # type: ignore[no-any-return]
    wanted = given.get("tenant__id__exact", "")
    if wanted:
        return _row(Tenant, wanted, actor)  # type: ignore[no-any-return]
    return tenants[0] if len(tenants) == 1 else None


def _row(model: Any, identity: str, actor: Actor) -> Any:
    wanted = _as_id(identity)
    return model.objects.visible_to(actor).filter(pk=wanted).first() if wanted is not None else None


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def _words(given: Mapping[str, str], tenant: Tenant | None, actor: Actor, followed: Followed) -> list[str]:
    words = [f"in {tenant}"] if tenant is not None else []
    if given.get("status__exact") in followed.statuses:
        words.append(f"that are {followed.statuses[given['status__exact']].lower()}")
    for name, model, text in followed.places:
        row = _row(model, given.get(name, ""), actor)
        if row is not None:
            words.append(f"{text} {row}")
    told = {"status", "created_after"} | {followed.keys[name] for name, *_ in followed.places if name in followed.keys}
    plain = [(to, given[name]) for name, to in followed.keys.items() if name in given and to not in told]
    return [*words, *(f"with the {to.replace('_', ' ')} “{value}”" for to, value in plain)]
