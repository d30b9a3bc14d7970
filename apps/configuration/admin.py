"""The page of settings: a form for each group, for the installation or for one tenant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from unfold import widgets

from apps.configuration import services
from apps.configuration.models import Setting
from apps.configuration.rules import GROUPS, Group, Known, ValueType
from apps.core.actors import Actor
from apps.core.admin import refusals
from apps.core.admin.forms import OperatorForm
from apps.core.admin.site import OperatorSite
from apps.core.api.callers import actor_of
from apps.core.errors import DomainError, NotAllowed
from apps.rbac import services as rbac
from apps.tenancy.models import Tenant

VIEW, CHANGE = "configuration.view_setting", "configuration.change_setting"
#: So many tenants are offered at most; the API reaches the others.
MOST_OFFERED = 500

Beside = Callable[[HttpRequest], SafeString | str]


class GroupForm(OperatorForm):
    """Asks for the values of one group; empty is what holds without."""

    def __init__(self, *args: Any, group: Group, tenant: Tenant | None, **kwargs: Any) -> None:
        self.group, self.tenant = group, tenant
        super().__init__(*args, **kwargs)

    def offer(self) -> None:
        """Make a field for each key that can be set in this place."""
        inherited = Setting.objects.in_force(self.group.name)
        own = Setting.objects.in_force(self.group.name, self.tenant.pk) if self.tenant else inherited
        set_here = set(Setting.objects.filter(tenant=self.tenant).of_group(self.group).values_list("name", flat=True))
        for known in self.group.settings:
            if self.tenant is not None and not known.per_tenant:
                continue
            is_set = f"{self.group.name}.{known.key}" in set_here
            without = known.fallback if self.tenant is None else inherited[known.key]
            shown = own[known.key] if is_set or self.tenant is None else None
            self.fields[known.key] = _field(known, shown, without, self.tenant)


class PlaceForm(OperatorForm):
    """Asks whose settings to show."""

    tenant = forms.ChoiceField(label="Where", required=False)


@dataclass(frozen=True, slots=True)
class _Section:
    group: Group
    form: GroupForm
    may_change: bool
    beside: SafeString | str = ""


def page(site: OperatorSite, request: HttpRequest, *, beside: Mapping[str, Beside]) -> HttpResponse:
    """Show the settings of a place, or change those of one group.

    ``beside`` makes what apps above this one add to groups of the installation, by their names.
    """
    actor = actor_of(request)
    tenant = _place(actor, request.GET.get("tenant", ""))
    asked = request.POST.get("group", "") if request.method == "POST" else ""
    groups = [group for group in GROUPS.values() if tenant is None or group.is_for_tenants]
    sections = [_section(group, request, actor, tenant, is_asked=group.name == asked) for group in groups]
    for section in sections:
        if section.group.name == asked and section.form.is_valid() and _save(request, actor, section):
            return HttpResponseRedirect(request.get_full_path())
    context = {
        **site.each_context(request),
        "title": "Settings",
        "sections": [replace(one, beside=_beside(beside, request, one)) for one in sections],
        "tenant": tenant,
        # The page lies above this app: its permission is asked for by name.
        "shows_forecast": rbac.allows(actor, "retention.view_pruning", rbac.EVERYWHERE),
        "place": _chooser(actor, tenant),
    }
    return TemplateResponse(request, "configuration/settings.html", context)


def _save(request: HttpRequest, actor: Actor, section: _Section) -> bool:
    form = section.form
    try:
        services.change_settings(section.group.name, actor=actor, values=form.cleaned_data, tenant=form.tenant)
    except DomainError as refusal:
        refusals.note(refusal)
        form.refuse(refusal)
        return False
    messages.success(request, "The settings are changed.")
    return True


def _section(group: Group, request: HttpRequest, actor: Actor, tenant: Tenant | None, *, is_asked: bool) -> _Section:
    form = GroupForm(request.POST if is_asked else None, group=group, tenant=tenant, actor=actor)
    may_change = rbac.allows(actor, CHANGE, tenant or rbac.EVERYWHERE)
    if not may_change:
        for field in form.fields.values():
            field.disabled = True
    return _Section(group, form, may_change)


def _beside(beside: Mapping[str, Beside], request: HttpRequest, section: _Section) -> SafeString | str:
    if section.form.tenant is not None or section.group.name not in beside:
        return ""
    return beside[section.group.name](request)


def _place(actor: Actor, asked: str) -> Tenant | None:
    """Return the tenant that is asked for; without one the installation, or the first tenant there is to see."""
    tenants = Tenant.objects.filter(pk__in=rbac.tenants_where(actor, VIEW)).order_by("name", "pk")
    if asked:
        tenant = tenants.filter(pk=_as_id(asked)).first()
        if tenant is None:
            raise Http404
        return tenant
    if rbac.allows(actor, VIEW, rbac.EVERYWHERE):
        return None
    first = tenants.first()
    if first is None:
        raise NotAllowed(
            f"It takes the permission {VIEW}: ask an administrator for a role that has it.", permission=VIEW
        )
    return first


def _chooser(actor: Actor, here: Tenant | None) -> PlaceForm | None:
    """Return what one chooses a place with; nothing where there is but one."""
    tenants = Tenant.objects.filter(pk__in=rbac.tenants_where(actor, VIEW)).order_by("name", "pk")[:MOST_OFFERED]
    everywhere = [("", "The whole installation")] if rbac.allows(actor, VIEW, rbac.EVERYWHERE) else []
    places = [*everywhere, *((str(one.pk), one.name) for one in tenants)]
    form = PlaceForm(actor=actor, initial={"tenant": str(here.pk) if here is not None else ""})
    chosen: Any = form.fields["tenant"]
    chosen.choices = places
    return form if len(places) > 1 else None


def _as_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Http404 from error


class LinesField(forms.CharField):
    """Takes texts, one on each line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        lines = [line.strip() for line in (super().clean(value) or "").splitlines()]
        return [line for line in lines if line] or None


class SecretInput(forms.PasswordInput):
    """Shows that a secret is set, and never a secret: not even the one that somebody has just typed."""

    def __init__(self, shown: str) -> None:
        super().__init__({"autocomplete": "off", "class": " ".join(widgets.BASE_INPUT_CLASSES)})
        self.shown = shown

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, None, attrs)
        context["widget"]["value"] = self.shown or None
        return context


def _field(known: Known, shown: Any, without: Any, tenant: Tenant | None) -> forms.Field:
    if known.type is ValueType.BOOLEAN:
        return forms.BooleanField(label=known.title, required=False, initial=shown, help_text=known.says)
    facts: dict[str, Any] = {"label": known.title, "required": False, "initial": shown}
    says = f"{known.says} {_of_empty(known, without, tenant)}".strip()
    if known.type is ValueType.INTEGER:
        unit = f" {known.unit}" if known.unit else ""
        says = f"{known.says} From {known.low:,} to {known.high:,}{unit}. {_of_empty(known, without, tenant)}".strip()
        return forms.IntegerField(min_value=known.low, max_value=known.high, help_text=says, **facts)
    if known.choices:
        choices = [("", f"{without} (usual)"), *((one, one) for one in known.choices)]
        return forms.TypedChoiceField(choices=choices, empty_value=None, help_text=known.says, **facts)
    if known.type is ValueType.JSON:
        return LinesField(help_text=says, **facts)
    if known.secret:
        return forms.CharField(widget=SecretInput(shown), strip=False, help_text=says, **facts)
    return forms.CharField(help_text=says, empty_value=None, **facts)


def _of_empty(known: Known, without: Any, tenant: Tenant | None) -> str:
    """Say what holds where a field is left empty."""
    if without in (None, "", []) and tenant is None:
        return ""
    unit = f" {known.unit}" if known.unit else ""
    held = "not set" if without is None else f"{without}{unit}"
    return f"Empty: {held}" + (", as the installation says." if tenant is not None else ".")
