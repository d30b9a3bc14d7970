"""The page of the person who is signed in: what they say of themselves, their password, their sessions, their keys."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from apps.accounts import services
from apps.accounts.admin.fields import PasswordField, PasswordForm, ZoneField
from apps.accounts.models import ApiToken, Avatar, User, UserSession
from apps.accounts.rules import pictures
from apps.core.actors import Actor
from apps.core.admin import display, refusals
from apps.core.admin.forms import FileInput, OperatorForm
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Table
from apps.core.errors import DomainError

#: Of a page; the API lists all.
MOST_SESSIONS = 50


class ProfileForm(OperatorForm):
    """Asks for one's own name and time zone."""

    name = forms.CharField(label="Display name", max_length=200, required=False)
    time_zone = ZoneField(help_text="Times in these pages are shown and read in it.")


class PictureForm(OperatorForm):
    """Asks for a picture."""

    file = forms.FileField(
        label="Picture", widget=FileInput("image/png,image/jpeg"), help_text="PNG or JPEG, at most 2 MB."
    )


class OwnPasswordForm(PasswordForm):
    """Asks for the current password as well, so that an open browser is not enough to take an account over."""

    current = PasswordField(label="Current password", autocomplete="current-password")
    field_order = ["current", "password", "again"]


class EndForm(OperatorForm):
    """Asks which session to end."""

    session = forms.UUIDField()


def page(admin: OperatorAdmin, request: HttpRequest) -> HttpResponse:
    """Show the person's own page, or change what one of its forms asks for."""
    actor = admin.actor(request)
    user: User = actor.user
    asked = request.POST.get("form", "") if request.method == "POST" else ""
    initial = {"name": user.name, "time_zone": user.time_zone}
    shown = {
        name: form(*((request.POST, request.FILES) if name == asked else ()), actor=actor, initial=initial)
        for name, (form, _) in FORMS.items()
    }
    if asked in shown and shown[asked].is_valid():
        try:
            said = FORMS[asked][1](request, actor, **shown[asked].cleaned_data)
        except DomainError as refusal:
            refusals.note(refusal)
            shown[asked].refuse(refusal)
        else:
            messages.success(request, said)
            return HttpResponseRedirect(request.path)
    return admin.render(request, "console/me.html", forms=shown, title="Your account", opts=None, **_shown_to(actor))


def _shown_to(actor: Actor) -> dict[str, Any]:
    own = UserSession.objects.visible_to(actor).order_by("-pk")[:MOST_SESSIONS]
    sessions = [(session, session == actor.user.at_session) for session in own]
    return {"sessions": sessions, "picture": _picture(actor.user), "panel": _keys(actor)}


def _change_profile(request: HttpRequest, actor: Actor, **asked: Any) -> str:
    services.update_profile(actor.user, actor=actor, **asked)
    return "This is changed. Times are shown in that zone."


def _set_picture(request: HttpRequest, actor: Actor, *, file: Any) -> str:
    services.set_avatar(actor.user, actor=actor, file=file)
    return "That is your picture now."


def _remove_picture(request: HttpRequest, actor: Actor) -> str:
    services.remove_avatar(actor.user, actor=actor)
    return "Your picture is gone."


def _change_password(request: HttpRequest, actor: Actor, *, current: str, password: str) -> str:
    try:
        services.change_password(actor.user, actor=actor, current_password=current, new_password=password)
    except DomainError as refusal:
        raise refusals.renamed(refusal, current_password="current", new_password="password") from refusal
    update_session_auth_hash(request, actor.user)
    return "Your password is changed. Your other sessions have ended."


def _end(request: HttpRequest, actor: Actor, *, session: UUID) -> str:
    found = UserSession.objects.visible_to(actor).filter(pk=session).first()
    if found is not None and found == actor.user.at_session:
        logout(request)
    elif found is not None:
        services.sign_out(found, actor=actor)
    return "That session has ended."


def _end_others(request: HttpRequest, actor: Actor) -> str:
    ended, _ = services.sign_out_others(actor.user, actor=actor)
    return f"Your other sessions have ended: {ended}."


#: The forms of the page, each with what does it and says so.
FORMS: dict[str, tuple[type[OperatorForm], Callable[..., str]]] = {
    "profile": (ProfileForm, _change_profile),
    "picture": (PictureForm, _set_picture),
    "no_picture": (OperatorForm, _remove_picture),
    "password": (OwnPasswordForm, _change_password),
    "end": (EndForm, _end),
    "end_others": (OperatorForm, _end_others),
}


def _picture(user: User) -> str:
    """Return the picture in the page itself: it is small, and this page alone shows it."""
    avatar = Avatar.objects.filter(user=user).first()
    if avatar is None:
        return ""
    return f"data:{pictures.CONTENT_TYPE};base64,{base64.b64encode(bytes(avatar.image)).decode()}"


def _keys(actor: Actor) -> Table:
    own = ApiToken.objects.filter(user=actor.user, revoked_at=None).select_related("tenant").order_by("-pk")
    rows = [[display.link(key, key.name), key.shown_as, key.tenant, display.ago(key.last_used_at)] for key in own]
    return Table("Your API keys", ["Name", "Key", "Tenant", "Last used"], rows, "You have no API keys.", icon="key")
