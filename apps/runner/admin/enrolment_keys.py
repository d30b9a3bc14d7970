"""Pages of enrolment keys: templates with which many machines enrol."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from apps.accounts.admin import sharing
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.base import SimpleListFilter
from apps.core.admin.filters import RelatedFilter
from apps.core.admin.forms import MomentInput, OperatorForm, ReasonForm, Section
from apps.core.admin.operations import Creation, Operation, Secret
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.robots import services as robots
from apps.robots.models import EnrolmentKey, EnrolmentKeyStatus, Machine
from apps.robots.rules import MOST_SLOTS
from apps.runner.admin.fields import FoldersField, LabelsField
from apps.tenancy.admin.places import PlaceField
from apps.tenancy.models import Folder

#: A key with more machines shows the newest ones, and leads to the list.
MACHINES_SHOWN = 50
TONES = {
    EnrolmentKeyStatus.LIVE: "good",
    EnrolmentKeyStatus.USED_UP: "care",
    EnrolmentKeyStatus.EXPIRED: "care",
    EnrolmentKeyStatus.REVOKED: "bad",
}


class EnrolmentKeyForm(OperatorForm):
    """Asks what a key makes, and how far it goes."""

    sections = (
        Section("What it makes", ["labels", "slots", "folders"], "Counts for machines and robots that it makes later."),
        Section("How far it goes", ["most_uses", "expires_at", "networks"]),
    )

    name = forms.CharField(max_length=100, help_text="Such as the fleet, the image or the cluster it is for.")
    description = forms.CharField(max_length=500, required=False)
    labels = LabelsField(help_text="Every machine made by it gets these. With commas between.")
    slots = forms.IntegerField(
        min_value=1, max_value=MOST_SLOTS, initial=1, help_text="How many jobs a robot made by it runs at once."
    )
    folders = FoldersField(
        Folder.objects.all(), required=False, help_text="Whose jobs its robots take. None: the tenant's default folder."
    )
    most_uses = forms.IntegerField(
        label="Machines", min_value=1, required=False, help_text="How many it may make. Empty: any number."
    )
    expires_at = forms.DateTimeField(
        label="Works until",
        required=False,
        widget=MomentInput(),
        help_text="In your time zone. Empty: until it is revoked.",
    )
    networks = LabelsField(
        help_text="Networks it may be used from, such as 10.1.0.0/16, as the server sees who calls. Empty: anywhere."
    )

    def offer(self) -> None:
        """Offer the folders of the tenant."""
        field: Any = self.fields["folders"]
        folders = field.queryset.order_by("path")
        known = self.row is not None
        field.queryset = folders.filter(tenant_id=self.row.tenant_id) if known else folders.select_related("tenant")


class NewEnrolmentKeyForm(EnrolmentKeyForm):
    """The same with the tenant it belongs to."""

    tenant = PlaceField(help_text="Whose jobs its robots run.")
    field_order = ["tenant", "name", "description", "labels", "slots", "folders", "most_uses", "expires_at", "networks"]

    def offer(self) -> None:
        super().offer()
        place: Any = self.fields["tenant"]
        place.offer(self.actor, "robots.add_enrolmentkey", folders=False)
        if len(place.rows) == 1:
            place.initial = next(iter(place.rows))


def key_secret(key: str, address: str = "") -> Secret:
    """Return a key's text with what to type on the machines."""
    return Secret(
        "Enrolment key",
        key,
        "It serves many machines. Put it into their image or start-up; this starts a robot by hand, which enrols by "
        "itself, takes work and shows here:",
        (f"ORCHESTRATOR_API_KEY={key} bv-robot run --url {address}",),
    )


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[EnrolmentKey, Secret]:
    key, text = robots.create_enrolment_key(asked.pop("tenant"), actor=actor, **asked)
    return key, key_secret(text)


@display.column("Status")
def status(key: EnrolmentKey) -> SafeString:
    """Say whether the key makes machines."""
    return display.badge(key.status.label, TONES[key.status])


@display.column("Uses left")
def uses_left(key: EnrolmentKey) -> str:
    """Say how many machines it may make still, of how many."""
    if not key.is_live(timezone.now()):
        return "none: it has ended"
    return "any number" if key.most_uses is None else f"{key.uses_left} of {key.most_uses}"


class StateFilter(SimpleListFilter):
    """Narrows to keys that work, or to those that do not."""

    title = "status"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "Works"), ("ended", "Revoked or expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[EnrolmentKey]) -> QuerySet[EnrolmentKey]:
        if self.value() is None:
            return queryset
        return queryset.filter(EnrolmentKey.live()) if self.value() == "live" else queryset.exclude(EnrolmentKey.live())


@admin.register(EnrolmentKey)
class EnrolmentKeyAdmin(OperatorAdmin):
    """The keys with which many machines enrol. Their texts are shown once, when they are made."""

    list_display = [
        "name",
        status,
        display.column("Key")(lambda key: key.shown_as),
        uses_left,
        display.column("Machines")(lambda key: str(key.machine_count)),
        display.column("Labels")(lambda key: display.badges(key.labels)),
        display.linked("tenant", "Tenant"),
        display.when("expires_at", "Until"),
        display.when("last_used_at", "Last used"),
    ]
    list_filter = [StateFilter, ("tenant", RelatedFilter)]
    list_select_related = ["tenant"]
    linked_rows = ["tenant"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    empty_title = "No enrolment keys yet"
    empty_text = (
        "One key lets many machines enrol by themselves: a fleet, a virtual machine's image, containers. It is shown "
        "once, with the command that starts a robot."
    )
    empty_icon = "vpn_key"
    creation = Creation(
        title="Add an enrolment key",
        permission="robots.add_enrolmentkey",
        form=NewEnrolmentKeyForm,
        make=_make,
        button="Add it and show the key",
        explain="Each computer that comes with it becomes a machine of its own. The key is shown once.",
    )
    operations = [
        Operation(
            name="edit",
            title="Edit",
            permission="robots.change_enrolmentkey",
            service=robots.update_enrolment_key,
            explain="Counts for what it makes from now on. Machines and robots that it made stay as they are.",
            form=EnrolmentKeyForm,
            initial=lambda key: {
                **{name: getattr(key, name) for name in robots.ENROLMENT_KEY_FIELDS if name != "folders"},
                "folders": list(key.folders.values_list("pk", flat=True)),
            },
            icon="edit",
            button="Save",
            done="The key is changed.",
            applies=lambda key: key.revoked_at is None,
            is_main=True,
        ),
        Operation(
            name="replace",
            title="New text",
            permission="robots.rotate_enrolmentkey",
            service=robots.replace_enrolment_key,
            explain="The old text makes nothing from now on, so put the new one wherever machines start with it. "
            "Robots that enrolled already work on, with tokens of their own.",
            icon="autorenew",
            tone="danger",
            button="End the old text and make a new one",
            applies=lambda key: key.revoked_at is None,
            then=lambda key, text: key_secret(text),
        ),
        Operation(
            name="revoke",
            title="Revoke",
            permission="robots.delete_enrolmentkey",
            service=robots.revoke_enrolment_key,
            explain="It makes nothing from now on, for good. Machines and robots that it made stay; to turn one of "
            "those away, disable the robot.",
            form=ReasonForm,
            icon="key_off",
            tone="danger",
            done="The key is revoked.",
            applies=lambda key: key.revoked_at is None,
            is_bulk=True,
        ),
        *sharing.OPERATIONS,
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        alive = Count("machines", filter=Q(machines__deleted_at=None))
        rows: QuerySet[Any] = super().get_queryset(request).annotate(machine_count=alive)
        return rows

    def reveal(self, request: HttpRequest, row: Any, secret: Secret) -> Any:
        """Put this server's address into the command."""
        address = request.build_absolute_uri("/").rstrip("/")
        return super().reveal(request, row, key_secret(secret.text, address))

    def page(self, request: HttpRequest, row: EnrolmentKey) -> Page:
        actor, link = self.actor(request), self.links(request)
        made: QuerySet[Any] = (
            Machine.objects.visible_to(actor).alive().with_robots().filter(made_by=row).order_by("-id")
        )
        machines = [
            [display.link(machine), str(machine.robot_count), display.moment(machine.last_seen_at)]
            for machine in made[:MACHINES_SHOWN]
        ]
        more = (display.list_of(Machine, made_by__id__exact=row.pk), "All machines made by it")
        return Page(
            badges=[status(row)],
            lead=row.description,
            notices=_notices(row),
            main=[
                Table(
                    "Machines made by it",
                    ["Machine", "Robots", "Last enrolled"],
                    machines,
                    "None yet: start bv-robot with this key on a computer. Its text was shown when it was made; if "
                    "that is lost, make a new text.",
                    more=more if len(machines) == MACHINES_SHOWN else None,
                    icon="computer",
                )
            ],
            side=[Facts("About it", _facts(row, link)), *sharing.panels(row, actor)],
        )


def _notices(key: EnrolmentKey) -> list[str]:
    if key.status == EnrolmentKeyStatus.USED_UP:
        return ["It has made all the machines it may. Computers that are new to it are turned away; edit it for more."]
    if key.status == EnrolmentKeyStatus.EXPIRED:
        return ["It has expired, so it enrols nobody. Edit it to let it work longer."]
    return []


def _facts(key: EnrolmentKey, link: Any) -> list[tuple[str, Any]]:
    folders = [link(folder) for folder in key.folders.filter(deleted_at=None).order_by("name")]
    return [
        ("Key", key.shown_as),
        ("Tenant", link(key.tenant)),
        ("Uses left", uses_left(key)),
        ("Machines made", str(key.uses)),
        ("Works until", display.moment(key.expires_at) if key.expires_at else "it is revoked"),
        ("Networks", ", ".join(key.networks) or "any"),
        ("Labels", display.badges(key.labels)),
        ("Slots", str(key.slots)),
        ("Folders", format_html_join(", ", "{}", ((one,) for one in folders)) or "the tenant's default folder"),
        ("Last used", display.moment(key.last_used_at)),
        ("Made", display.moment(key.created_at)),
        ("Revoked", display.moment(key.revoked_at)),
        ("Id", key.pk),
    ]
