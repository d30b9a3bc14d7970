"""Pages of tenants."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.actors import Actor
from apps.core.admin import display, filters
from apps.core.admin.forms import OperatorForm, ReasonForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.rbac import services as rbac
from apps.tenancy import services
from apps.tenancy.models import Folder, Tenant, TenantStatus

TONES: dict[str, str] = {TenantStatus.ACTIVE: "good", TenantStatus.SUSPENDED: "bad"}
#: A tenant with more folders shows the first ones, and leads to the list.
FOLDERS_SHOWN = 50


class NameForm(OperatorForm):
    """Asks for the name of a tenant."""

    name = forms.CharField(max_length=200)


class NewTenantForm(NameForm):
    """Asks for a tenant's name and slug."""

    slug = forms.SlugField(
        max_length=63,
        required=False,
        help_text="Appears in addresses and cannot be changed. Empty: made from the name.",
    )


class QuotasForm(OperatorForm):
    """Asks for the limits of a tenant."""

    robots = forms.IntegerField(
        min_value=0, max_value=services.MOST_QUOTA, required=False, help_text="Empty: no limit."
    )
    jobs_per_hour = forms.IntegerField(
        min_value=0, max_value=services.MOST_QUOTA, required=False, help_text="Empty: no limit."
    )


def _set_quotas(tenant: Tenant, *, actor: Actor, **asked: int | None) -> None:
    services.set_quotas(tenant, actor=actor, quotas=asked)


def _limits(tenant: Tenant) -> dict[str, int | None]:
    return {use.name.value: use.most for use in services.uses_of(tenant)}


def _quotas(tenant: Tenant) -> Table:
    """Return what the tenant has of everything that can be limited."""
    rows = [[use.name.label, _bar(use), use.set_by, display.moment(use.set_at)] for use in services.uses_of(tenant)]
    return Table("Quotas", ["What", "Used", "Limit set by", "When"], rows, icon="speed")


def _bar(use: services.Use) -> SafeString:
    if use.most is None:
        return format_html("{} <span class='op-faint'>no limit</span>", f"{use.used:,}")
    text = f"{use.used:,} of {use.most:,}"
    bar = '<meter min="0" max="100" high="80" value="{}" aria-label="{}: {}"></meter> {}'
    return format_html(bar, use.percent, use.name.label, text, text)


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[Tenant, None]:
    return services.create_tenant(actor=actor, **asked), None


@admin.register(Tenant)
class TenantAdmin(OperatorAdmin):
    """The isolation boundaries."""

    list_display = ["name", "slug", display.status(TONES), display.when("created_at", "Made")]
    list_filter = [filters.choice("status")]
    search_fields = ["name", "slug"]
    empty_title = "No tenant yet"
    empty_text = "A tenant keeps everything of one organisation apart from all others: make one first."
    empty_icon = "domain_add"
    creation = Creation(
        title="Add a tenant",
        permission="tenancy.add_tenant",
        form=NewTenantForm,
        make=_make,
        explain="It comes with a folder “Shared”, in which work can begin.",
    )
    operations = [
        Operation(
            name="rename",
            title="Rename",
            permission="tenancy.change_tenant",
            service=services.rename_tenant,
            explain="Only the name that people see changes; addresses keep the slug.",
            form=NameForm,
            initial=lambda tenant: {"name": tenant.name},
            icon="edit",
            done="The tenant is renamed.",
            is_main=True,
        ),
        Operation(
            name="suspend",
            title="Suspend",
            permission="tenancy.change_tenant",
            service=services.suspend_tenant,
            explain="Its robots are refused and nothing can be changed until it is resumed. Everything stays readable.",
            form=ReasonForm,
            icon="pause_circle",
            tone="danger",
            done="The tenant is suspended.",
            applies=lambda tenant: tenant.status == TenantStatus.ACTIVE,
            is_main=True,
        ),
        Operation(
            name="quotas",
            title="Quotas",
            permission="tenancy.change_tenant",
            service=_set_quotas,
            explain="The most that it may have. Nothing that is there goes; what goes beyond is refused.",
            form=QuotasForm,
            initial=_limits,
            icon="speed",
            button="Save",
            done="The quotas are set.",
        ),
        Operation(
            name="resume",
            title="Resume",
            permission="tenancy.change_tenant",
            service=services.resume_tenant,
            explain="Its robots may work again at once.",
            icon="play_circle",
            done="The tenant works again.",
            applies=lambda tenant: tenant.status == TenantStatus.SUSPENDED,
            is_main=True,
        ),
    ]

    def possible_operations(self, request: HttpRequest, row: Tenant) -> list[Operation]:
        """Leave out what takes a right over the whole installation for whoever has none."""
        possible = super().possible_operations(request, row)
        is_ours = rbac.allows(self.actor(request), "tenancy.change_tenant", rbac.EVERYWHERE)
        return [one for one in possible if is_ours or one.name != "quotas"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return rbac.allows(self.actor(request), "tenancy.add_tenant", rbac.EVERYWHERE)

    def page(self, request: HttpRequest, row: Tenant) -> Page:
        actor = self.actor(request)
        folders = Folder.objects.visible_to(actor).alive().filter(tenant=row).order_by("path")[:FOLDERS_SHOWN]
        facts = [("Slug", row.slug), ("Made", display.moment(row.created_at)), ("Id", row.pk)]
        cells = [[display.link(folder, "· " * (folder.depth - 1) + folder.name)] for folder in folders]
        none = "There is no folder that you may see."
        more = (display.list_of(Folder, tenant__id__exact=row.pk), "All folders")
        return Page(
            badges=[display.badge(row.get_status_display(), TONES[TenantStatus(row.status)])],
            main=[
                _quotas(row),
                Table("Folders", ["Name"], cells, none, more, "folder"),
            ],
            side=[Facts("About it", facts)],
        )
