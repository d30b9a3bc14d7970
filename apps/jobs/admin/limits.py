"""Pages of limits that processes share, with what running jobs use of them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.jobs.models import Execution
from apps.processes import services
from apps.processes.models import NamedLimit, Process, ProcessLimit
from apps.tenancy.admin.places import FolderField

MOST_PROCESSES = 100


def with_use(limits: QuerySet[NamedLimit]) -> QuerySet[NamedLimit]:
    """Add ``in_use``: the units of each limit that running jobs use now."""
    running = Execution.objects.open().order_by().filter(process__process_limits__limit=OuterRef("pk"))
    units = running.values("process__process_limits__limit").annotate(units=Sum("process__process_limits__units"))
    return limits.annotate(in_use=Coalesce(Subquery(units.values("units")), 0))


class LimitForm(OperatorForm):
    """Asks what a limit is called and how much it bears."""

    asks_for = (NamedLimit, ("name", "description", "capacity"))


class NewLimitForm(LimitForm):
    """Asks where it lives as well."""

    folder = FolderField(help_text="Processes of the whole tenant may share it.")

    def offer(self) -> None:
        folder: Any = self.fields["folder"]
        folder.offer(self.actor, "processes.add_namedlimit")


class ShareForm(OperatorForm):
    """Asks which process uses how much."""

    process = forms.ModelChoiceField(Process.objects.none(), help_text="It takes the right to change it.")
    units = forms.IntegerField(min_value=1, initial=1, help_text="How much each of its running jobs uses.")

    def offer(self) -> None:
        process: Any = self.fields["process"]
        process.queryset = process.queryset.filter(tenant_id=self.row.tenant_id).order_by("name")


class UnshareForm(OperatorForm):
    """Asks which process uses nothing any more."""

    process = forms.ModelChoiceField(Process.objects.none())

    def offer(self) -> None:
        process: Any = self.fields["process"]
        process.queryset = process.queryset.filter(process_limits__limit=self.row).order_by("name")


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[NamedLimit, None]:
    return services.create_limit(asked.pop("folder"), actor=actor, **asked), None


@display.column("In use")
def use_column(limit: Any) -> str:
    """Show how much of it is in use."""
    return f"{limit.in_use} of {limit.capacity}"


@admin.register(NamedLimit)
class LimitAdmin(OperatorAdmin):
    """What several processes share."""

    list_display = ["name", use_column, display.linked("folder", "Folder"), display.when("created_at", "Made")]
    list_select_related = ["folder"]
    linked_rows = ["folder"]
    search_fields = ["name"]
    empty_title = "No limit yet"
    empty_text = "A limit is something that several processes share and that bears only so much at once: a licence, "
    empty_text += "an account, a slow system."
    empty_icon = "data_thresholding"
    creation = Creation(title="Add a limit", permission="processes.add_namedlimit", form=NewLimitForm, make=_make)
    operations = [
        Operation(
            name="share",
            title="Share with a process",
            permission="processes.change_namedlimit",
            service=services.share_limit,
            explain="Its jobs wait while too little is left. What runs goes on.",
            form=ShareForm,
            icon="add_link",
            done="The process shares the limit.",
            is_main=True,
        ),
        Operation(
            name="edit",
            title="Edit",
            permission="processes.change_namedlimit",
            service=services.update_limit,
            explain="What runs goes on; nothing more begins until it fits.",
            form=LimitForm,
            initial=lambda limit: {name: getattr(limit, name) for name in ("name", "description", "capacity")},
            icon="edit",
            done="The limit is changed.",
            is_main=True,
        ),
        Operation(
            name="unshare",
            title="Stop sharing with a process",
            permission="processes.change_namedlimit",
            service=services.unshare_limit,
            explain="Its jobs are not held by this limit any more.",
            form=UnshareForm,
            icon="link_off",
            done="The process shares the limit no more.",
            applies=lambda limit: limit.process_limits.exists(),
        ),
        Operation(
            name="delete",
            title="Delete",
            permission="processes.delete_namedlimit",
            service=services.delete_limit,
            explain="The processes that share it are not held by it any more.",
            icon="delete",
            tone="danger",
            done="The limit is deleted.",
            ends_row=True,
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[NamedLimit]:
        return with_use(super().get_queryset(request))

    def page(self, request: HttpRequest, row: Any) -> Page:
        seen = Process.objects.visible_to(self.actor(request))
        shares = ProcessLimit.objects.filter(limit=row, process__in=seen).select_related("process")
        cells = [[display.link(one.process), one.units] for one in shares.order_by("process__name")[:MOST_PROCESSES]]
        facts = [
            ("In use", use_column(with_use(NamedLimit.objects.filter(pk=row.pk)).get())),
            ("Folder", display.link(row.folder)),
            ("Description", row.description),
            ("Made", display.moment(row.created_at)),
            ("Id", row.pk),
        ]
        nobody = "No process that you may see shares it yet, so it holds nothing."
        return Page(
            main=[Table("Processes that share it", ["Process", "Units for each job"], cells, nobody)],
            side=[Facts("About it", facts)],
        )
