"""Narrowing lists of assets."""

from __future__ import annotations

import django_filters

from apps.assets.models import Asset
from apps.assets.rules import AssetType
from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter


class AssetFilters(ApiFilterSet):
    """Assets of a tenant or folder, by part of a name, or by type."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")
    type = django_filters.ChoiceFilter(choices=[(one.value, one.value) for one in AssetType])

    class Meta(ApiFilterSet.Meta):
        model = Asset
        fields = ["tenant", "folder", "name", "type"]
