"""The page that asks somebody who has signed in to prove again who they are."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from apps.accounts import services
from apps.accounts.admin.fields import PasswordField
from apps.core.admin import refusals
from apps.core.admin.forms import OperatorForm
from apps.core.admin.pages import OperatorAdmin
from apps.core.errors import DomainError


class ConfirmForm(OperatorForm):
    """Asks for the password once more."""

    password = PasswordField(label="Your password", autocomplete="current-password")


def page(admin: OperatorAdmin, request: HttpRequest) -> HttpResponse:
    """Ask who is signed in for their password, and go back to where they were about to go."""
    actor = admin.actor(request)
    form = ConfirmForm(request.POST if request.method == "POST" else None, actor=actor)
    if request.method == "POST" and form.is_valid():
        try:
            services.confirm_sign_in(actor.user, actor=actor, **form.cleaned_data)
        except DomainError as refusal:
            refusals.note(refusal)
            form.refuse(refusal)
        else:
            request.session.cycle_key()
            return HttpResponseRedirect(_way_back(request))
    context = {"form": form, "way_back": _way_back(request), "title": "Confirm that it is you", "opts": None}
    return admin.render(request, "console/confirm.html", **context)


def _way_back(request: HttpRequest) -> str:
    """Return the address they came from, if it is one of ours: nobody is sent to strangers."""
    asked = request.POST.get(refusals.NEXT, request.GET.get(refusals.NEXT, ""))
    is_ours = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if is_ours else reverse("admin:index")
