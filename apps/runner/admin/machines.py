"""Pages of machines."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from apps.accounts.admin import sharing
from apps.core.actors import Actor
from apps.core.admin import bins, display
from apps.core.admin.filters import RelatedFilter
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Creation, Operation, Secret
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table, Text
from apps.jobs.models.robots import with_status
from apps.robots import services as robots
from apps.robots.models import Machine, Robot
from apps.runner import services
from apps.runner.admin import robot_pages
from apps.runner.admin.fields import LabelsField
from apps.tenancy.admin.places import PlaceField

#: A machine with more robots shows the first ones, and leads to the list.
ROBOTS_SHOWN = 50


class MachineForm(OperatorForm):
    """Asks what a machine is called and which labels its robots have through it."""

    name = forms.CharField(max_length=100, help_text="Such as the computer's own name.")
    description = forms.CharField(max_length=500, required=False)
    labels = LabelsField(help_text="Every robot on it has these too, such as linux, excel. With commas between.")


class NewMachineForm(MachineForm):
    """The same with the tenant it belongs to."""

    tenant = PlaceField(help_text="Whose jobs its robots run.")
    field_order = ["tenant", "name", "description", "labels"]

    def offer(self) -> None:
        place: Any = self.fields["tenant"]
        place.offer(self.actor, "robots.add_machine", folders=False)
        if len(place.rows) == 1:
            place.initial = next(iter(place.rows))


def key_secret(key: str, address: str = "") -> Secret:
    """Return a new enrolment key with what to type on the machine."""
    return Secret(
        "Enrolment key",
        key,
        "Type this on the machine, once bv-robot is installed there. The robot enrols, takes work and shows here:",
        (f"bv-robot enroll {address} --key {key}", "bv-robot run"),
    )


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[Machine, Secret]:
    machine, key = robots.create_machine(asked.pop("tenant"), actor=actor, **asked)
    return machine, key_secret(key)


@display.column("Robots")
def robot_count(machine: Any) -> str:
    """Say how many robots are on it."""
    return str(machine.robot_count)


@display.column("Labels")
def labels(machine: Machine) -> Any:
    """Show its labels."""
    return display.badges(machine.labels)


class MadeByFilter(RelatedFilter):
    """Narrows to machines that an enrolment key made; with one key too, as others were made by hand."""

    def has_output(self) -> bool:
        return bool(self.lookup_choices)


@admin.register(Machine)
class MachineAdmin(OperatorAdmin):
    """The computers on which robots run."""

    list_display = [
        "name",
        robot_count,
        labels,
        display.linked("tenant", "Tenant"),
        display.column("Last enrolled")(lambda machine: display.ago(machine.last_seen_at)),
        display.when("created_at", "Added"),
    ]
    list_filter = [("tenant", RelatedFilter), ("made_by", MadeByFilter)]
    list_select_related = ["tenant"]
    linked_rows = ["tenant"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    empty_title = "No machines yet"
    empty_text = "Add a computer on which robots shall run. You get a key, and the one command to type there."
    empty_icon = "computer"
    creation = Creation(
        title="Add a machine",
        permission="robots.add_machine",
        form=NewMachineForm,
        make=_make,
        button="Add it and show the key",
        explain="It gets an enrolment key, with which robots on it introduce themselves. The key is shown once.",
    )
    operations = [
        Operation(
            name="edit",
            title="Edit",
            permission="robots.change_machine",
            service=robots.update_machine,
            explain="Labels count for every robot on it, from the next job on.",
            form=MachineForm,
            initial=lambda machine: {name: getattr(machine, name) for name in ("name", "description", "labels")},
            icon="edit",
            button="Save",
            done="The machine is changed.",
            is_main=True,
        ),
        Operation(
            name="key",
            title="New key",
            permission="robots.enrol_machine",
            service=services.regenerate_key,
            explain="Careful. The old key stops working at once, the sessions of all its robots end, and what "
            "they run counts as lost: it is tried again, held or failed, as each process says. Afterwards it may be "
            "used on another host: the first contact binds it.",
            icon="key",
            tone="danger",
            button="End the old key and make a new one",
            then=lambda machine, key: key_secret(key),
        ),
        Operation(
            name="delete",
            title="Delete",
            permission="robots.delete_machine",
            service=robots.delete_machine,
            explain="It goes out of every list and its key ends. A machine that still has robots stays.",
            icon="delete",
            tone="danger",
            done="The machine is deleted.",
            ends_row=True,
        ),
        bins.restoration(
            "robots.delete_machine",
            robots.restore_machine,
            "It comes back without a key: the old one stays dead. Make a new one then.",
        ),
        *sharing.OPERATIONS,
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        alive = Count("robots", filter=Q(robots__deleted_at=None))
        rows: QuerySet[Any] = super().get_queryset(request).annotate(robot_count=alive)
        return rows

    def reveal(self, request: HttpRequest, row: Any, secret: Secret) -> Any:
        """Put this server's address into the command."""
        address = request.build_absolute_uri("/").rstrip("/")
        return super().reveal(request, row, key_secret(secret.text, address))

    def page(self, request: HttpRequest, row: Machine) -> Page:
        link = self.links(request)
        facts = [
            ("Tenant", link(row.tenant)),
            ("Labels", display.badges(row.labels)),
            ("Made by", link(row.made_by) if row.made_by else "hand"),
            ("Bound to a host", display.moment(row.signature_bound_at) if row.signature else "at first contact"),
            ("Last enrolled", display.moment(row.last_seen_at)),
            ("Added", display.moment(row.created_at)),
            ("Id", row.pk),
        ]
        seen = with_status(Robot.objects.visible_to(self.actor(request)).alive().filter(machine=row)).order_by("name")
        rows = [
            [display.link(one), robot_pages.status(one), robot_pages.slots(one), robot_pages.last_contact(one)]
            for one in seen[:ROBOTS_SHOWN]
        ]
        empty = (
            "No robot has enrolled yet: type there what you were shown with the key. If that is lost, make a new key."
        )
        return Page(
            lead=row.description,
            main=[
                Table("Robots", ["Robot", "Status", "Slots", "Last contact"], rows, empty, icon="smart_toy"),
                Text.of_json("What it says of itself", row.info, empty="Nothing yet."),
            ],
            side=[Facts("About it", facts), *sharing.panels(row, self.actor(request))],
        )
