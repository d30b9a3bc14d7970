"""Pages of robots."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts.admin import sharing
from apps.core.actors import Actor
from apps.core.admin import bins, choices, display
from apps.core.admin.filters import RelatedFilter
from apps.core.admin.forms import MomentInput, OperatorForm, ReasonForm, Section
from apps.core.admin.operations import Creation, Operation, Secret
from apps.core.admin.pages import Chips, OperatorAdmin
from apps.core.admin.panels import AnyPanel, Page
from apps.jobs.models.robots import RobotStatus, with_open_executions, with_status
from apps.rbac import services as rbac
from apps.robots import rules
from apps.robots import services as robots
from apps.robots.models import Machine, Robot
from apps.robots.rules import MOST_SLOTS
from apps.robots.services import RobotChange
from apps.runner import services
from apps.runner.admin import fields, robot_charts, robot_pages
from apps.runner.admin.fields import FoldersField, LabelsField
from apps.runner.admin.robot_filters import LabelFilter, ProblemFilter, StatusFilter, VersionFilter
from apps.tenancy.models import Folder


class RobotForm(OperatorForm):
    """Asks what a robot is called, how much it runs at once, and for which folders."""

    name = forms.CharField(max_length=100)
    description = forms.CharField(max_length=500, required=False)
    slots = forms.IntegerField(min_value=1, max_value=MOST_SLOTS, initial=1, help_text="How many jobs it runs at once.")
    labels = LabelsField(help_text="What it can do, beside the labels of its machine. With commas between.")
    folders = FoldersField(
        Folder.objects.all(), required=False, help_text="Whose jobs it takes. None: the tenant's default folder."
    )

    def offer(self) -> None:
        """Offer the folders of the tenant, and leave those that this person may not see as they are."""
        field: Any = self.fields["folders"]
        folders = field.queryset.order_by("path")
        tenant_id = self.row.tenant_id if self.row is not None else None
        field.queryset = (
            folders.filter(tenant_id=tenant_id) if tenant_id is not None else folders.select_related("tenant")
        )

    def clean_folders(self) -> list[Folder]:
        """Add the folders the robot works for that this person cannot choose."""
        chosen = list(self.cleaned_data["folders"])
        if self.row is None:
            return chosen
        field: Any = self.fields["folders"]
        return chosen + list(self.row.folders.exclude(pk__in=field.queryset.values("pk")))


class EditRobotForm(RobotForm):
    """The same with what the robot shall do otherwise than its installation says."""

    sections = (
        Section(
            "Settings pushed to it",
            tuple(rules.PUSHED_SETTINGS),
            "What it shall do otherwise than its installation says, from its next contact on. Empty: as it says.",
        ),
    )

    def offer(self) -> None:
        super().offer()
        self.fields |= {one.name: fields.pushed_setting(one) for one in rules.PUSHED_SETTINGS.values()}

    def clean(self) -> dict[str, Any]:
        """Put the settings together, as the service takes them."""
        asked: dict[str, Any] = super().clean() or self.cleaned_data
        given = {name: asked.pop(name, None) for name in rules.PUSHED_SETTINGS}
        pushed = {name: value for name, value in given.items() if value is not None}
        for name, text in rules.wrong_settings(pushed).items():
            self.add_error(name, text.capitalize())
        return {**asked, "pushed_settings": pushed}


class NewRobotForm(RobotForm):
    """The same with the machine it runs on."""

    machine = forms.ModelChoiceField(Machine.objects.all(), empty_label="Choose a machine")
    field_order = ["machine", "name", "description", "slots", "labels", "folders"]

    def offer(self) -> None:
        super().offer()
        field: Any = self.fields["machine"]
        field.queryset = choices.alive(rbac.visible(Machine.objects.all(), self.actor, "robots.add_robot")).order_by(
            "name"
        )


class MaintenanceForm(OperatorForm):
    """Asks why a robot is taken out of work, and until when."""

    reason = forms.CharField(max_length=300, help_text="Others see it on the robot, and on jobs that wait for it.")
    until = forms.DateTimeField(
        required=False, widget=MomentInput(), help_text="In your time zone. Empty: until somebody ends it."
    )


def token_secret(token: str) -> Secret:
    """Return a robot's new token."""
    return Secret(
        "Robot token",
        token,
        "For robots that are set up by hand: they send it with each call, in the header X-Robot-Token. "
        "Robots that enrol with their machine's key need none.",
    )


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[Robot, Secret]:
    robot, token = robots.create_robot(asked.pop("machine"), actor=actor, **asked)
    return robot, token_secret(token)


LIVE = tuple(
    display.refreshing(column)
    for column in (robot_pages.status, robot_pages.slots, robot_pages.current_jobs, robot_pages.last_contact)
)


@admin.register(Robot)
class RobotAdmin(OperatorAdmin):
    """The workers that pull jobs."""

    list_display = [
        "name",
        *LIVE[:3],
        display.linked("machine", "Machine"),
        display.column("Labels")(lambda robot: display.badges(sorted({*robot.labels, *robot.machine.labels}))),
        display.column("Version")(robot_pages.version),
        LIVE[3],
        display.linked("tenant", "Tenant"),
    ]
    list_filter = [
        StatusFilter,
        ProblemFilter,
        VersionFilter,
        LabelFilter,
        ("folders", RelatedFilter),
        ("machine", RelatedFilter),
        ("tenant", RelatedFilter),
    ]
    list_select_related = ["machine", "tenant"]
    linked_rows = ["machine", "tenant"]
    search_fields = ["name", "description", "machine__name"]
    ordering = ["name"]
    sortable_by = ["name"]
    live_columns = LIVE
    empty_title = "No robots yet"
    empty_text = (
        "Add a machine, and type the command you are shown there on it: its robot enrols by itself and shows here."
    )
    empty_icon = "smart_toy"
    creation = Creation(
        title="Add a robot",
        permission="robots.add_robot",
        form=NewRobotForm,
        make=_make,
        button="Add it and show the token",
        explain="Robots enrol by themselves with their machine's key. Add one by hand only where it shall have "
        "a token of its own, which is shown once.",
    )
    operations = [
        Operation(
            name="edit",
            title="Edit",
            permission="robots.change_robot",
            service=robots.update_robot,
            explain="",
            form=EditRobotForm,
            initial=lambda robot: {
                **{name: getattr(robot, name) for name in ("name", "description", "slots", "labels")},
                "folders": list(robot.folders.values_list("pk", flat=True)),
                **robot.pushed_settings,
            },
            icon="edit",
            button="Save",
            done="The robot is changed.",
            is_main=True,
        ),
        Operation(
            name="drain",
            title="Drain",
            permission="robots.change_robot",
            service=robots.drain_robot,
            explain="It finishes what it runs and takes nothing new.",
            icon="water_drop",
            done="The robot is draining.",
            applies=lambda robot: robot.enabled and not robot.draining,
            is_bulk=True,
            service_for_many=partial(robots.change_robots, change=RobotChange.DRAIN),
            is_main=True,
        ),
        Operation(
            name="undrain",
            title="Stop draining",
            permission="robots.change_robot",
            service=robots.stop_draining,
            explain="It takes work again.",
            icon="play_arrow",
            done="The robot takes work again.",
            applies=lambda robot: robot.draining,
            is_bulk=True,
            service_for_many=partial(robots.change_robots, change=RobotChange.UNDRAIN),
            is_main=True,
        ),
        Operation(
            name="maintain",
            title="Maintenance",
            permission="robots.change_robot",
            service=robots.start_maintenance,
            explain="It finishes what it runs and takes nothing new, and shows why.",
            form=MaintenanceForm,
            icon="build",
            button="Start maintenance",
            done="The robot is in maintenance.",
            applies=lambda robot: robot.enabled and not robot.maintenance,
            is_bulk=True,
            service_for_many=partial(robots.change_robots, change=RobotChange.START_MAINTENANCE),
            is_main=True,
        ),
        Operation(
            name="end-maintenance",
            title="End maintenance",
            permission="robots.change_robot",
            service=robots.end_maintenance,
            explain="It takes work again.",
            icon="play_arrow",
            done="The robot takes work again.",
            applies=lambda robot: robot.maintenance,
            is_bulk=True,
            service_for_many=partial(robots.change_robots, change=RobotChange.END_MAINTENANCE),
            is_main=True,
        ),
        Operation(
            name="clear-error",
            title="Clear error",
            permission="robots.change_robot",
            service=robots.clear_error,
            explain=lambda robot: f"It was put aside: {robot.error}. Once you have looked after it, it may work again.",
            icon="healing",
            done="The error is cleared.",
            applies=lambda robot: bool(robot.error),
            is_main=True,
        ),
        Operation(
            name="enable",
            title="Enable",
            permission="robots.change_robot",
            service=robots.enable_robot,
            explain="It may connect again.",
            icon="play_circle",
            done="The robot is enabled.",
            applies=lambda robot: not robot.enabled,
            is_bulk=True,
            is_main=True,
        ),
        Operation(
            name="disable",
            title="Disable",
            permission="robots.change_robot",
            service=services.disable_robot,
            explain="It is turned away from now on. Its session ends, and what it runs counts as lost: it is tried "
            "again, held or failed, as each process says. To let it finish first, drain it.",
            form=ReasonForm,
            icon="block",
            tone="danger",
            done="The robot is disabled.",
            applies=lambda robot: robot.enabled,
            is_bulk=True,
        ),
        Operation(
            name="rotate",
            title="Rotate token",
            permission="robots.rotate_robot",
            service=robots.rotate_token,
            explain="Makes a new token, shown once. The old ones work ten minutes longer, so that it can change over.",
            icon="autorenew",
            then=lambda robot, token: token_secret(token),
        ),
        Operation(
            name="delete",
            title="Delete",
            permission="robots.delete_robot",
            service=robots.delete_robot,
            explain="It goes out of every list and its tokens end; its history stays. Refused while it runs jobs.",
            icon="delete",
            tone="danger",
            done="The robot is deleted.",
            ends_row=True,
        ),
        bins.restoration(
            "robots.delete_robot",
            robots.restore_robot,
            "It comes back with dead tokens: rotate its token, or let its machine's key give it one.",
        ),
        *sharing.OPERATIONS,
    ]

    def visible(self, request: HttpRequest) -> QuerySet[Any]:
        return with_status(Robot.objects.visible_to(self.actor(request)))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_open_executions(super().get_queryset(request), self.actor(request))

    def quick_filters(self, request: HttpRequest) -> Chips:
        statuses = [("", "All"), *((one.value, str(one.label)) for one in RobotStatus)]
        return [display.chips(request, "status", statuses)]

    def is_live(self, row: Any) -> bool:
        return row.deleted_at is None

    def page(self, request: HttpRequest, row: Any) -> Page:
        actor, link = self.actor(request), self.links(request)
        row = with_open_executions(self.visible(request).select_related("machine", "tenant"), actor).get(pk=row.pk)
        main: list[AnyPanel] = [robot_pages.running_panel(row, link)]
        if row.slots_used < row.slots and row.deleted_at is None:
            main.append(robot_pages.why_panel(row, actor))
        main += [robot_charts.panel(row), robot_pages.history_panel(row, actor), robot_pages.tokens_panel(row)]
        measured = robot_pages.measures_panel(row)
        told = [robot_pages.session_panel(row), *([measured] if measured else [])]
        return Page(
            badges=[robot_pages.status(row)],
            lead=row.description,
            notices=robot_pages.notices(row),
            main=main,
            side=[robot_pages.facts_panel(row, link), *told, *sharing.panels(row, actor)],
        )
