"""Tenants and folders as callers send and see them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api.rows import RowField, RowRef
from apps.core.api.serializers import InputSerializer, MomentField, NameField, OutputSerializer
from apps.tenancy.models import Brake, Folder, QuotaName, Tenant

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


class QuotaOut(serializers.Serializer):
    """What a tenant has of something, and the most it may have."""

    name = serializers.ChoiceField(choices=QuotaName.choices)
    used = serializers.IntegerField()
    limit = serializers.IntegerField(source="most", allow_null=True, help_text="Null: no limit.")
    percent = serializers.IntegerField(help_text="How much of the limit is used; 0 where there is none.")
    set_by = serializers.CharField()
    set_at = serializers.DateTimeField(allow_null=True)


class QuotasOut(serializers.Serializer):
    """The quotas of a tenant."""

    quotas = QuotaOut(many=True)


class SetQuotas(InputSerializer):
    """Limits; what is left out stays, null lifts one."""

    robots = serializers.IntegerField(min_value=0, required=False, allow_null=True)
    jobs_per_hour = serializers.IntegerField(min_value=0, required=False, allow_null=True)


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


class BrakeOut(OutputSerializer):
    """An emergency stop: nothing is dispatched, or no trigger fires, in a folder, a tenant or everywhere."""

    tenant = RowRef(allow_null=True, help_text="Null: it holds for the whole installation.")
    folder = RowRef(allow_null=True, help_text="It reaches down to the folders inside.")

    class Meta:
        model = Brake
        fields = [
            "id", "tenant", "folder", "holds_dispatch", "holds_triggers", "reason", "until", "set_by", "created_at",
            "lifted_at", "lifted_by",
        ]  # fmt: skip


class SetBrake(InputSerializer):
    reason = serializers.CharField(max_length=300, help_text="Shown on every page, and to whoever asks why.")
    folder = RowField(Folder.objects.alive(), required=False, allow_null=True, help_text="It and the folders inside.")
    everywhere = serializers.BooleanField(default=False, help_text="For the whole installation.")
    until = MomentField(required=False, allow_null=True, help_text="It lifts itself then. Left out: by hand.")
    holds_dispatch = serializers.BooleanField(default=True, help_text="No robot is given a job; what runs goes on.")
    holds_triggers = serializers.BooleanField(default=True, help_text="No trigger fires; each due time says why.")
