"""Pages of brakes, and the line on every page that says which are on."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.forms import MomentInput, OperatorForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page
from apps.rbac import services as rbac
from apps.tenancy import services
from apps.tenancy.admin.places import PlaceField
from apps.tenancy.models import Brake


class SetBrakeForm(OperatorForm):
    """Asks what is held, where, why and how long."""

    place = PlaceField(label="Where", help_text="A folder reaches down to the folders inside.")
    reason = forms.CharField(max_length=300, help_text="Shown on every page, and to whoever asks why nothing runs.")
    holds_dispatch = forms.BooleanField(
        label="Hold jobs", required=False, initial=True, help_text="No robot is given a job. What runs goes on."
    )
    holds_triggers = forms.BooleanField(
        label="Hold triggers", required=False, initial=True, help_text="No trigger fires; each due time says why."
    )
    until = forms.DateTimeField(
        label="Until", required=False, widget=MomentInput(), help_text="In your time zone. Empty: until it is lifted."
    )

    def offer(self) -> None:
        place: Any = self.fields["place"]
        place.offer(self.actor, "tenancy.add_brake", everywhere=True)


def _set(actor: Actor, asked: dict[str, Any]) -> tuple[Brake, None]:
    place = asked.pop("place") or rbac.EVERYWHERE
    return services.set_brake(place, actor=actor, **asked), None


def where(brake: Brake) -> str:
    """Return what a brake holds, in words."""
    if brake.tenant is None:
        return "Everywhere"
    return f"{brake.tenant.name} / {brake.folder.name}" if brake.folder is not None else brake.tenant.name


def _holds(brake: Brake) -> str:
    held = [word for word, holds in (("jobs", brake.holds_dispatch), ("triggers", brake.holds_triggers)) if holds]
    return " and ".join(held).capitalize()


def _badge(brake: Brake) -> SafeString:
    if brake.lifted_at is not None:
        return display.badge("lifted")
    return display.badge("on", display.Tone.BAD) if brake.is_on else display.badge("ended")


@display.column("Where")
def where_column(brake: Brake) -> str:
    """Show what it is on."""
    return where(brake)


@display.column("Holds")
def holds_column(brake: Brake) -> str:
    """Show what it holds."""
    return _holds(brake)


@display.column("")
def badge_column(brake: Brake) -> SafeString:
    """Show whether it is on."""
    return _badge(brake)


@admin.register(Brake)
class BrakeAdmin(OperatorAdmin):
    """Emergency stops."""

    list_display = [where_column, badge_column, holds_column, "reason", display.when("created_at", "Set")]
    list_select_related = ["tenant", "folder"]
    search_fields = ["reason"]
    ordering = ["-created_at"]
    sortable_by = ()
    empty_title = "No brake was ever set"
    empty_text = "A brake stops robots from being given jobs, triggers from firing, or both, until you lift it."
    empty_icon = "emergency_home"
    creation = Creation(
        title="Set a brake",
        permission="tenancy.add_brake",
        form=SetBrakeForm,
        make=_set,
        button="Set the brake",
        icon="emergency_home",
        explain="What runs goes on to its end. Everybody sees on every page that the brake is on, and why.",
    )
    operations = [
        Operation(
            name="lift",
            title="Lift",
            permission="tenancy.lift_brake",
            service=services.lift_brake,
            explain="What it held goes on at once.",
            button="Lift the brake",
            icon="play_circle",
            done="The brake is lifted.",
            applies=lambda brake: brake.lifted_at is None,
            is_main=True,
        ),
    ]

    def title_of(self, row: Brake) -> str:
        return f"Brake on {where(row)}"

    def page(self, request: HttpRequest, row: Brake) -> Page:
        lifted = [("Lifted", display.moment(row.lifted_at)), ("Lifted by", row.lifted_by)] if row.lifted_at else []
        facts = [
            ("Where", where(row)),
            ("Holds", _holds(row)),
            ("Reason", row.reason),
            ("Set", display.moment(row.created_at)),
            ("Set by", row.set_by),
            ("Until", display.moment(row.until) if row.until else "It is lifted by hand"),
            *lifted,
            ("Id", row.pk),
        ]
        return Page(badges=[_badge(row)], main=[Facts("About it", facts)])
