"""Narrowing lists of assets."""

from __future__ import annotations

import django_filters

from apps.assets.models import Asset, AssetQuerySet, CredentialStore, Expiry
from apps.assets.rules import AssetType, CredentialKind
from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter


class _OfAssets(ApiFilterSet):
    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")
    expiry = django_filters.ChoiceFilter(
        choices=Expiry.choices, method="narrow_by_expiry", help_text="How near they are to the moment they expire."
    )

    def narrow_by_expiry(self, rows: AssetQuerySet, name: str, wanted: str) -> AssetQuerySet:
        """Keep those that are as near to their end."""
        return rows.expiry(wanted)


class AssetFilters(_OfAssets):
    """Assets of a tenant or folder, by part of a name, by type, or by when they expire."""

    type = django_filters.ChoiceFilter(choices=[(one.value, one.value) for one in AssetType])

    class Meta(ApiFilterSet.Meta):
        model = Asset
        fields = ["tenant", "folder", "name", "type"]


class CredentialFilters(_OfAssets):
    """Credentials of a tenant or folder, by part of a name, by kind, or by when they expire."""

    kind = django_filters.ChoiceFilter(choices=[(one.value, one.value) for one in CredentialKind])

    class Meta(ApiFilterSet.Meta):
        model = Asset
        fields = ["tenant", "folder", "name", "kind"]


class StoreFilters(ApiFilterSet):
    """Stores of credentials of a tenant, or by part of a name."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")

    class Meta(ApiFilterSet.Meta):
        model = CredentialStore
        fields = ["tenant", "name", "type"]
