"""The page of the person who is signed in: their password and their time zone."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from apps.accounts import services
from apps.accounts.admin.fields import PasswordField, PasswordForm, ZoneField
from apps.accounts.models import ApiToken
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.forms import OperatorForm
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Table
from apps.core.errors import DomainError


class ZoneForm(OperatorForm):
    """Asks for one's own time zone."""

    time_zone = ZoneField(help_text="Times in these pages are shown and read in it.")


class OwnPasswordForm(PasswordForm):
    """Asks for the current password as well."""

    current = PasswordField(label="Current password", autocomplete="current-password")
    field_order = ["current", "password", "again"]

    def clean_current(self) -> str:
        """Refuse a wrong one, so that an open browser is not enough to take an account over."""
        if not self.actor.user.check_password(self.cleaned_data["current"]):
            self.add_error("current", "This is not your current password.")
        return ""


FORMS: dict[str, type[OperatorForm]] = {"zone": ZoneForm, "password": OwnPasswordForm}


def page(admin: OperatorAdmin, request: HttpRequest) -> HttpResponse:
    """Show the person's own page, or change what one of its forms asks for."""
    actor = admin.actor(request)
    asked = request.POST.get("form", "") if request.method == "POST" else ""
    shown = {
        name: form(request.POST if name == asked else None, actor=actor, initial={"time_zone": actor.user.time_zone})
        for name, form in FORMS.items()
    }
    if asked in shown and shown[asked].is_valid():
        try:
            _change(request, actor, asked, shown[asked].cleaned_data)
        except DomainError as refusal:
            shown[asked].refuse(refusal)
        else:
            return HttpResponseRedirect(request.path)
    context = {"forms": shown, "panel": _keys(actor), "title": "Your account", "opts": None}
    return admin.render(request, "console/me.html", **context)


def _change(request: HttpRequest, actor: Actor, form: str, asked: dict[str, Any]) -> None:
    if form == "zone":
        services.set_time_zone(actor.user, actor=actor, time_zone=asked["time_zone"])
        messages.success(request, "Times are now shown in that zone.")
        return
    services.set_password(actor.user, actor=actor, password=asked["password"])
    update_session_auth_hash(request, actor.user)
    messages.success(request, "Your password is changed. Your other sessions have ended.")


def _keys(actor: Actor) -> Table:
    own = ApiToken.objects.filter(user=actor.user, revoked_at=None).select_related("tenant").order_by("-pk")
    rows = [[display.link(key, key.name), key.shown_as, key.tenant, display.ago(key.last_used_at)] for key in own]
    return Table("Your API keys", ["Name", "Key", "Tenant", "Last used"], rows, "You have no API keys.", icon="key")
