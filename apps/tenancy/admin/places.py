"""Choosing a place: the whole installation, a tenant, or a folder."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.core.actors import Actor
from apps.rbac import services as rbac
from apps.tenancy.models import Folder, Tenant

#: So many tenants, and so many folders, are offered at most; beyond it the list would be no help.
MOST_OFFERED = 500
EVERYWHERE = "everywhere"


class PlaceField(forms.ChoiceField):
    """A tenant or a folder (and ``None`` for everywhere, where that is offered)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows: dict[str, Tenant | Folder | None] = {}

    def offer(self, actor: Actor, permission: str, *, folders: bool = True, everywhere: bool = False) -> None:
        """Offer the places in which the actor holds ``permission``."""
        self.rows = {}
        if everywhere and rbac.allows(actor, permission, rbac.EVERYWHERE):
            self.rows[EVERYWHERE] = None
        for tenant in rbac.visible(Tenant.objects.all(), actor, permission)[:MOST_OFFERED]:
            if rbac.allows(actor, permission, tenant):
                self.rows[str(tenant.pk)] = tenant
        if folders:
            self.rows |= {str(folder.pk): folder for folder in folders_where(actor, permission)[:MOST_OFFERED]}
        what = "a place" if folders else "a tenant"
        self.choices = [("", f"Choose {what}"), *((key, in_words(row)) for key, row in self.rows.items())]

    def clean(self, value: Any) -> Any:
        """Return the row that was chosen."""
        return self.rows.get(super().clean(value))


class FolderField(forms.ModelChoiceField):
    """A folder, named with its tenant."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Folder.objects.none(), empty_label="Choose a folder", **kwargs)

    def offer(self, actor: Actor, permission: str) -> None:
        """Offer the folders in which the actor holds ``permission``; with one there is nothing to choose."""
        self.queryset = folders_where(actor, permission)
        if self.initial is None and len(self.queryset[:2]) == 1:
            self.initial = self.queryset[0].pk

    def label_from_instance(self, obj: Any) -> str:
        return in_words(obj)


def folders_where(actor: Actor, permission: str) -> Any:
    """Return the folders in which the actor holds ``permission``, in the order of the tree."""
    folders = rbac.visible(Folder.objects.alive(), actor, permission).select_related("tenant")
    return folders.order_by("tenant__name", "tenant_id", "path")


def in_words(row: Tenant | Folder | None) -> str:
    """Return what a place is called where it is chosen."""
    if row is None:
        return "Everywhere"
    if isinstance(row, Tenant):
        return row.name
    return f"{row.tenant.name} / {'· ' * (row.depth - 1)}{row.name}"
