"""The page that says why somebody may or may not do something."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html_join

from apps.accounts import services
from apps.accounts.admin.roles import GRANTABLE
from apps.accounts.models import User
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.access import Links
from apps.core.admin.forms import OperatorForm
from apps.core.admin.panels import Table
from apps.core.admin.site import OperatorSite
from apps.core.api.callers import actor_of
from apps.core.errors import DomainError
from apps.rbac import services as rbac

_WORDS: Final = {name: text for group in GRANTABLE.values() for name, text in group.items()}


class QuestionForm(OperatorForm):
    """Asks who, and what with."""

    user = forms.ModelChoiceField(User.objects.all(), label="Who", empty_label="Choose a user")
    object = forms.CharField(
        label="What with",
        required=False,
        max_length=500,
        help_text="The address of its page, or a kind and an id. Empty: the whole installation.",
    )
    permission = forms.ChoiceField(label="What to do", required=False)

    def offer(self) -> None:
        permission: Any = self.fields["permission"]
        groups = [(title, list(group.items())) for title, group in GRANTABLE.items()]
        permission.choices = [("", "Everything that is done to its kind"), *groups]


def page(site: OperatorSite, request: HttpRequest) -> HttpResponse:
    """Answer a question, or ask for it."""
    actor = actor_of(request)
    asked = request.GET.dict()
    is_asked = bool(asked.get("user"))
    form = QuestionForm(asked if is_asked else None, actor=actor, initial=asked)
    panels: list[Table] = []
    context = {**site.each_context(request), "title": "Explain access", "form": form, "panels": panels, "opts": None}
    if is_asked and form.is_valid():
        try:
            panels.append(_answer(form.cleaned_data, actor))
        except DomainError as refusal:
            form.refuse(refusal)
    return TemplateResponse(request, "console/explain.html", context)


def _answer(asked: dict[str, Any], actor: Actor) -> Table:
    user, only = asked["user"], asked["permission"]
    found = services.explain_access(str(user.pk), actor=actor, named=asked["object"], only=only)
    about = "the whole installation" if found.row is None else f"{found.row._meta.verbose_name} “{found.row}”"
    rows = [
        [
            _WORDS.get(one.permission, one.permission),
            display.badge("yes", "good") if one.is_allowed else display.badge("no", "bad"),
            display.badges(_in_words(grant) for grant in one.grants) if one.is_allowed else one.missing,
            _named(found.givers.get(one.permission, ()), actor) if not one.is_allowed else display.NOTHING,
        ]
        for one in found.answers
    ]
    headings = ["What", "May", "Because", "Who could give it"]
    return Table(f"{user} and {about}", headings, rows, icon="manage_search")


def _in_words(grant: rbac.Grant) -> str:
    if grant.is_hidden:
        return "something given where you may not look"
    through = f", through the group {grant.group}" if grant.group is not None else ""
    if grant.assignment is None:
        return f"superuser{through}" if grant.kind == "superuser" else f"it is shared{through}"
    held = grant.assignment
    end = f", until {held.expires_at:%Y-%m-%d %H:%M} UTC" if held.expires_at is not None else ""
    return f"role {held.role} {held.scope}{through}{end}"


def _named(users: Any, actor: Actor) -> Any:
    links = Links(actor)
    return format_html_join(", ", "{}", ((links(user),) for user in users)) or "nobody that you may know"
