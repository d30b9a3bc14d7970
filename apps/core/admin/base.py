"""Unfold's classes under the types of Django's own, which they extend: unfold ships none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite, ModelAdmin, RelatedFieldListFilter, SimpleListFilter
    from django.contrib.admin import SimpleListFilter as TextFilter
else:
    from unfold.admin import ModelAdmin
    from unfold.contrib.filters.admin import DropdownFilter as SimpleListFilter
    from unfold.contrib.filters.admin import RelatedDropdownFilter as RelatedFieldListFilter
    from unfold.contrib.filters.admin import TextFilter
    from unfold.sites import UnfoldAdminSite as AdminSite

__all__ = ["AdminSite", "ModelAdmin", "RelatedFieldListFilter", "SimpleListFilter", "TextFilter"]
