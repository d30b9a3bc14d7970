"""Pages of stores of credentials."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from apps.assets import services
from apps.assets.models import CredentialStore, StoreType
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.filters import RelatedFilter, choice
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.tenancy.admin.places import PlaceField

_ASKED = ("name", "description", "address", "namespace", "mount", "path_prefix")
_UPKEEP = Actor.system("assets")
MOST_SHOWN = 100


class StoreForm(OperatorForm):
    """Asks where a store is and what lets us in."""

    asks_for = (CredentialStore, _ASKED)
    token = forms.CharField(
        required=False,
        max_length=4000,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text="Sealed, and never shown again. Left empty, it stays; with another address it is asked for again.",
    )


class NewStoreForm(StoreForm):
    """The same, with the tenant it belongs to."""

    tenant = PlaceField(help_text="Whose assets may lie in it.")
    field_order = ["tenant", *_ASKED, "token"]

    def offer(self) -> None:
        place: Any = self.fields["tenant"]
        place.offer(self.actor, "assets.add_credentialstore", folders=False)
        if len(place.rows) == 1:
            place.initial = next(iter(place.rows))
        self.fields["token"].required = True
        self.fields["mount"].initial = "secret"


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[CredentialStore, None]:
    return services.create_store(asked.pop("tenant"), actor=actor, type=StoreType.VAULT, **asked), None


@admin.register(CredentialStore)
class CredentialStoreAdmin(OperatorAdmin):
    """Where secrets lie: here, or in stores of others."""

    list_display = [
        "name",
        display.column("Type")(lambda store: store.get_type_display()),
        "address",
        "tenant",
        display.when("changed_at", "Changed"),
    ]
    list_filter = [choice("type"), ("tenant", RelatedFilter)]
    list_select_related = ["tenant"]
    search_fields = ["name", "address"]
    ordering = ["name"]
    empty_title = "No stores yet"
    empty_text = "Secrets are sealed here. Name a HashiCorp Vault to have some read from there instead."
    empty_icon = "encrypted"
    creation = Creation(
        title="Add a store",
        permission="assets.add_credentialstore",
        form=NewStoreForm,
        make=_make,
        explain="HashiCorp Vault with a secrets engine KV of version 2. Nothing of it is copied: what jobs need is "
        "read there at that moment.",
    )
    operations = [
        Operation(
            name="test",
            title="Test",
            permission="assets.change_credentialstore",
            service=services.try_store,
            explain="It is asked whether it is there and lets us in.",
            icon="network_check",
            done="It answers, and lets us in.",
            is_main=True,
        ),
        Operation(
            name="edit",
            title="Edit",
            permission="assets.change_credentialstore",
            service=services.update_store,
            explain="What jobs ask for from now on is read there.",
            form=StoreForm,
            initial=lambda store: {name: getattr(store, name) for name in _ASKED},
            icon="edit",
            done="The store is changed.",
            applies=lambda store: not store.is_default,
            is_main=True,
        ),
        Operation(
            name="delete",
            title="Delete",
            permission="assets.delete_credentialstore",
            service=services.delete_store,
            explain="Only a store in which nothing lies can go. Its token is forgotten.",
            icon="delete",
            tone="danger",
            done="The store is deleted.",
            applies=lambda store: not store.is_default,
            ends_row=True,
        ),
    ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the store that is here as well, also of tenants that were made just now."""
        services.ensure_own_stores(actor=_UPKEEP)
        return super().changelist_view(request, extra_context)

    def page(self, request: HttpRequest, row: Any) -> Page:
        lying = row.values.filter(asset__deleted_at=None).select_related("asset").order_by("asset__name")
        seen = self.admin_site.holds(request, "assets.view_asset")
        facts = [
            ("Type", row.get_type_display()),
            ("Address", row.address or display.NOTHING),
            ("Namespace", row.namespace or display.NOTHING),
            ("Mount", row.mount or display.NOTHING),
            ("Path prefix", row.path_prefix or display.NOTHING),
            ("Tenant", row.tenant),
            ("Changed", display.moment(row.changed_at)),
            ("Id", row.pk),
        ]
        rows = [[display.link(one.asset), one.place, display.mono(one.path)] for one in lying[:MOST_SHOWN]]
        used = Table("What lies in it", ["Asset", "Where it counts", "Path"], rows if seen else [])
        return Page(
            badges=[display.badge("default")] if row.is_default else [],
            lead=row.description,
            main=[] if row.is_default else [used],
            side=[Facts("About it", facts)],
        )
