"""The keys of programs, as callers send and see them."""

from __future__ import annotations

from datetime import timedelta

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts import services
from apps.accounts.models import ApiToken, User
from apps.core.api.rows import RowField, RowRef
from apps.core.api.serializers import InputSerializer, NameField, OutputSerializer
from apps.tenancy.models import Folder

DEFAULT_LIFE_DAYS, LONGEST_LIFE_DAYS = 90, 365


class ApiKeyOut(OutputSerializer):
    """A key, as far as it can be shown: its text was shown once, when it was made."""

    user = serializers.SerializerMethodField()
    shown_as = serializers.CharField(read_only=True, help_text="How the key begins, so that you know it again.")
    scopes = serializers.ListField(
        child=serializers.CharField(), allow_null=True, read_only=True, help_text="Null: all that its user may."
    )
    folders = serializers.SerializerMethodField(help_text="Where it works, and below. Null: in all of its tenant.")
    networks = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="From where it is taken. None: from anywhere."
    )
    use_count = serializers.IntegerField(read_only=True, help_text="How often it was used, written every few seconds.")
    former_until = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Until when the text before the last rotation works too."
    )

    class Meta:
        model = ApiToken
        fields = [
            "id", "tenant", "user", "name", "shown_as", "scopes", "folders", "networks", "created_at", "expires_at",
            "revoked_at", "rotated_at", "former_until", "last_used_at", "use_count",
        ]  # fmt: skip

    @extend_schema_field(RowRef(many=True, allow_null=True))
    def get_folders(self, key: ApiToken) -> list[dict[str, str]] | None:
        if not key.in_folders:
            return None
        return [{"id": str(folder.pk), "name": folder.name} for folder in key.bound_folders.all()]

    @extend_schema_field(RowRef)
    def get_user(self, key: ApiToken) -> dict[str, object]:
        return {"id": str(key.user_id), "name": str(key.user)}


class NewApiKeyOut(ApiKeyOut):
    """A new key. `key` is shown this once and never again."""

    key = serializers.CharField(read_only=True, help_text="The key itself: `bvu_…`. Keep it now.")

    class Meta(ApiKeyOut.Meta):
        fields = [*ApiKeyOut.Meta.fields, "key"]


class CreateApiKey(InputSerializer):
    name = NameField(max_length=100, help_text="What uses this key.")
    user = RowField(
        User.objects.get_queryset(), required=False, help_text="Whose key it is, such as a service account; you."
    )
    life_days = serializers.IntegerField(
        min_value=1, max_value=LONGEST_LIFE_DAYS, required=False, default=DEFAULT_LIFE_DAYS
    )
    scopes = serializers.ListField(
        child=serializers.CharField(max_length=100),
        required=False,
        allow_null=True,
        max_length=services.MOST_SCOPES,
        help_text="Permissions (`jobs.cancel_job`), areas (`jobs.*`) or verbs (`*.view`). Left out: all its user may.",
    )
    folders = serializers.ListField(
        child=RowField(Folder.objects.alive()),
        required=False,
        allow_null=True,
        max_length=services.MOST_FOLDERS,
        help_text="Folders in which, and below which, it works. Left out: in all of its tenant.",
    )
    networks = serializers.ListField(
        child=serializers.CharField(max_length=50),
        required=False,
        max_length=services.MOST_NETWORKS,
        help_text="Networks from which it is taken, such as `10.0.0.0/8`. Left out: any.",
    )


class RotateApiKey(InputSerializer):
    overlap_minutes = serializers.IntegerField(
        min_value=0,
        max_value=services.LONGEST_OVERLAP // timedelta(minutes=1),
        required=False,
        default=services.DEFAULT_OVERLAP // timedelta(minutes=1),
        help_text="How long the text before goes on working.",
    )


class DayOfUse(serializers.Serializer):
    """How often a key was used on a day, of UTC."""

    day = serializers.DateField()
    count = serializers.IntegerField()


class AddressOfUse(serializers.Serializer):
    """How often a key was used from an address, and when last."""

    address = serializers.IPAddressField(allow_null=True, help_text="Null: from addresses that are not told apart.")
    count = serializers.IntegerField()
    last_day = serializers.DateField()


class KeyUsageOut(serializers.Serializer):
    """How a key was used in the last 90 days."""

    days = DayOfUse(many=True, help_text="Oldest first; days without a use are left out.")
    addresses = AddressOfUse(many=True, help_text="The busiest first.")

    @classmethod
    def of(cls, usage: services.Usage) -> KeyUsageOut:
        days = [{"day": day, "count": count} for day, count in usage.days]
        addresses = [{"address": one, "count": count, "last_day": last} for one, count, last in usage.addresses]
        return cls({"days": days, "addresses": addresses})
