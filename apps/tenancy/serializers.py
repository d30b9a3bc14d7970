"""Tenants and folders as callers send and see them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api.rows import RowField
from apps.core.api.serializers import InputSerializer, NameField, OutputSerializer
from apps.tenancy.models import Folder, Tenant

#: What stands for the name of a folder above that the caller may not see.
UNSEEN = "…"


class TenantOut(OutputSerializer):
    """The isolation boundary: what is in one tenant is never seen from another."""

    class Meta:
        model = Tenant
        fields = ["id", "slug", "name", "status", "created_at"]


class CreateTenant(InputSerializer):
    name = NameField(max_length=200)
    slug = serializers.CharField(
        max_length=63, required=False, default="", help_text="Appears in addresses. Left out: made from the name."
    )


class RenameTenant(InputSerializer):
    name = NameField(max_length=200)


class FolderOut(OutputSerializer):
    """The place inside a tenant where work lives."""

    fields = serializers.ModelSerializer.fields  # Its own for each request, which tells it the names of folders above.
    path = serializers.SerializerMethodField(help_text="Names from the top of the tenant down to this folder.")

    class Meta:
        model = Folder
        fields = ["id", "tenant", "parent", "name", "path", "depth", "is_default", "created_at"]

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_path(self, folder: Folder) -> list[str]:
        names: dict[Any, str] = self.context.get("folder_names", {})
        return [*(names.get(identity, UNSEEN) for identity in folder.ancestor_ids), folder.name]


class CreateFolder(InputSerializer):
    name = NameField(max_length=100)
    parent = RowField(  # type: ignore[assignment]
        Folder.objects.alive(), required=False, allow_null=True, help_text="Left out: at the top of the tenant."
    )


class RenameFolder(InputSerializer):
    name = NameField(max_length=100)
